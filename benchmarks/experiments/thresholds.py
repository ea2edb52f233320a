"""Compares ways of choosing the thresholds of finished runs of relation extraction's pair head.

python benchmarks/experiments/thresholds.py RUN [RUN ...] [--lines N ...] [--best]

Each run is a folder whose config keeps lines out of train. The thresholds are chosen on all kept lines, or on the first
N of them, by the rule of this project and by that of version 0.1.0: one for all, the best of seven, ties to the one
nearest to 0. The table has F1 on the dev file of the run, and that of the triples with several slots. With --best it
also has the best thresholds that the search finds on dev itself.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.harness import ROOT, report

from common.batching import hold_out
from common.cli import run_command
from common.inference import remembering
from common.run_folder import load_run
from common.thresholds import Thresholds, choose_thresholds

sys.path.insert(0, str(ROOT / "relation_extraction"))

from config import Config
from extraction import predict
from model import load_extractor
from records import Labels, read_records
from schema import read_schema
from scoring import score, several_slots

OLD = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)


class Run:
    """A finished run with its kept lines and its dev file."""

    def __init__(self, path: str):
        folder, self.config, self.source = load_run(path, Config)
        self.labels = Labels(read_schema(folder.schema))
        self.extractor = load_extractor(folder, self.config, self.source, self.labels)
        # The lines are predicted many times.
        self.extractor.engines = {name: remembering(engine) for name, engine in self.extractor.engines.items()}
        self.defaults = dict(self.extractor.thresholds)
        records = list(read_records(self.config.train_file, schema=self.labels.schema))
        _, self.kept = hold_out(records, self.config.threshold_share, self.config.seed)
        self.dev = list(read_records(self.config.dev_file, schema=self.labels.schema))

    def predictions(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Predict with the thresholds that the extractor has."""
        return list(predict(records, self.extractor, self.source.tokenizer, self.labels, self.config))

    def choose(self, records: list[dict[str, Any]]) -> Thresholds:
        """Choose the thresholds as train.py does."""
        self.extractor.thresholds = dict(self.defaults)
        items = sum(len(record["spo_list"]) for record in records)
        choose_thresholds(self.extractor, lambda: score(records, self.predictions(records)), items)
        return self.extractor.thresholds

    def choose_one(self, records: list[dict[str, Any]]) -> Thresholds:
        """Choose one threshold for all as version 0.1.0 did."""
        scores = {}
        for threshold in OLD:
            self.extractor.thresholds = dict.fromkeys(self.defaults, threshold)
            scores[threshold] = score(records, self.predictions(records))["f1"]
        return dict.fromkeys(self.defaults, max(OLD, key=lambda t: (scores[t], -abs(t))))


def main() -> None:
    args = parse_arguments()
    rows = [row for path in args.runs for row in rows_of(path, args.lines, args.best)]
    report("thresholds", {"runs": len(args.runs)}, rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--lines", type=int, nargs="*", default=[], metavar="N", help="also choose on N kept lines")
    parser.add_argument("--best", action="store_true", help="also search on dev (slow)")
    return parser.parse_args()


def rows_of(path: str, sizes: list[int], best: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each way to choose the thresholds of a run."""
    run = Run(path)
    for lines in [*sizes, len(run.kept)]:
        kept = run.kept[:lines]
        yield row(run, path, f"0.1.0, {lines} lines", run.choose_one(kept))
        yield row(run, path, f"now, {lines} lines", run.choose(kept))
    yield row(run, path, "default", run.defaults)
    if best:
        yield row(run, path, "on dev", run.choose(run.dev))


def row(run: Run, path: str, how: str, thresholds: Thresholds) -> dict[str, Any]:
    """Score the dev file of a run with some thresholds."""
    run.extractor.thresholds = dict(thresholds)
    predictions = run.predictions(run.dev)
    several = score(several_slots(run.dev), several_slots(predictions))
    found = {"F1": score(run.dev, predictions)["f1"], "several slots": several["f1"]}
    return {"run": Path(path).name, "chosen": how, **thresholds, **found}


if __name__ == "__main__":
    run_command(main)
