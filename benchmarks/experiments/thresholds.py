"""Compares ways of choosing the thresholds of finished runs of relation extraction's pair head.

python benchmarks/experiments/thresholds.py RUN [RUN ...] [--lines N ...] [--best]
python benchmarks/experiments/thresholds.py RUN [RUN ...] --unseen FILE --lines N [N ...] [--draws N]

Each run is a folder whose config keeps lines out of train. The thresholds are chosen on all kept lines, or on the first
N of them, by the rule of this project and by that of version 0.1.0: one for all, the best of seven, ties to the one
nearest to 0. The table has F1 on the dev file of the run, and that of the triples with several slots. With --best it
also has the best thresholds that the search finds on dev itself.

Chance decides which lines are kept. So with --unseen, random lines of a file that the runs have not trained on play the
kept lines, many times. The table has the mean scores on the other lines of that file.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from tools.harness import ROOT, report

from common.cli import UserError, run_command
from common.inference import remembering
from common.run_folder import load_run
from common.thresholds import Thresholds, choose_thresholds, hold_out

sys.path.insert(0, str(ROOT / "relation_extraction"))

from config import Config
from extraction import predict
from model import load_extractor
from records import Labels, read_records
from schema import read_schema
from scoring import score, several_slots

Records = list[dict[str, Any]]
Lines = Sequence[int]  # the numbers of some records of a file
OLD = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)


class Run:
    """A finished run with its kept lines, its dev file, and a file that it has not trained on.

    Args:
        path: the run folder.
        unseen: that file, or None.
    """

    def __init__(self, path: str, unseen: str | None):
        folder, self.config, self.source = load_run(path, Config)
        self.name, self.labels = Path(path).name, Labels(read_schema(folder.schema))
        self.extractor = load_extractor(folder, self.config, self.source, self.labels)
        # The lines are predicted many times.
        self.extractor.engines = {name: remembering(engine) for name, engine in self.extractor.engines.items()}
        self.defaults = dict(self.extractor.thresholds)
        _, kept = hold_out(self.read(self.config.train_file), self.config.threshold_share, self.config.seed)
        self.records = {"kept": kept, "dev": self.read(self.config.dev_file)}
        if unseen:
            self.records["unseen"] = self.read(unseen)
        self.predictions: dict[tuple[Any, ...], Records] = {}

    def read(self, path: str) -> Records:
        return list(read_records(path, schema=self.labels.schema))

    def predict(self, file: str, lines: Lines) -> tuple[Records, Records]:
        """Return some records of a file, and what is predicted for them with the thresholds that the extractor has."""
        records, key = self.records[file], (file, *self.extractor.thresholds.values())
        if key not in self.predictions:
            found = predict(records, self.extractor, self.source.tokenizer, self.labels, self.config)
            self.predictions[key] = list(found)
        return [records[i] for i in lines], [self.predictions[key][i] for i in lines]

    def choose(self, file: str, lines: Lines) -> Thresholds:
        """Choose the thresholds as train.py does."""
        self.extractor.thresholds = dict(self.defaults)
        items = sum(len(self.records[file][i]["spo_list"]) for i in lines)
        choose_thresholds(self.extractor, lambda: score(*self.predict(file, lines)), items)
        return self.extractor.thresholds

    def choose_one(self, file: str, lines: Lines) -> Thresholds:
        """Choose one threshold for all as version 0.1.0 did."""
        scores = {}
        for threshold in OLD:
            self.extractor.thresholds = dict.fromkeys(self.defaults, threshold)
            scores[threshold] = score(*self.predict(file, lines))["f1"]
        return dict.fromkeys(self.defaults, max(OLD, key=lambda t: (scores[t], -abs(t))))

    def scores(self, thresholds: Thresholds, file: str, lines: Lines) -> dict[str, float]:
        """Return F1 with these thresholds, and that of the triples with several slots."""
        self.extractor.thresholds = dict(thresholds)
        gold, predictions = self.predict(file, lines)
        several = score(several_slots(gold), several_slots(predictions))
        return {"F1": score(gold, predictions)["f1"], "several slots": several["f1"]}


def main() -> None:
    args = parse_arguments()
    rows: list[dict[str, Any]] = []
    for path in args.runs:
        run = Run(path, args.unseen)
        rows += simulate(run, args.lines, args.draws) if args.unseen else on_dev(run, args.lines, args.best)
    report("thresholds", {"runs": len(args.runs), "draws": args.draws if args.unseen else 1}, rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--lines", type=int, nargs="*", default=[], metavar="N", help="also choose on N kept lines")
    parser.add_argument("--best", action="store_true", help="also search on dev (slow)")
    parser.add_argument("--unseen", metavar="FILE", help="records that the runs have not trained on")
    parser.add_argument("--draws", type=int, default=16, metavar="N", help="how often lines of it are drawn")
    args = parser.parse_args()
    if args.unseen and not args.lines:
        parser.error("--unseen: add --lines N [N ...], how many of its lines are drawn")
    return args


def on_dev(run: Run, sizes: list[int], best: bool) -> Iterator[dict[str, Any]]:
    """Yield the scores on dev for each way to choose the thresholds of a run."""
    dev = range(len(run.records["dev"]))

    def row(how: str, thresholds: Thresholds) -> dict[str, Any]:
        return {"run": run.name, "chosen": how, **thresholds, **run.scores(thresholds, "dev", dev)}

    for size in [*sizes, len(run.records["kept"])]:
        yield row(f"0.1.0, {size} lines", run.choose_one("kept", range(size)))
        yield row(f"now, {size} lines", run.choose("kept", range(size)))
    yield row("default", run.defaults)
    if best:
        yield row("on dev", run.choose("dev", dev))


def simulate(run: Run, sizes: list[int], draws: int) -> Iterator[dict[str, Any]]:
    """Yield the mean scores over the draws of kept lines, for each way to choose the thresholds of a run."""
    ways: dict[str, Callable[[Lines], Thresholds]] = {
        "0.1.0": lambda kept: run.choose_one("unseen", kept),
        "now": lambda kept: run.choose("unseen", kept),
        "default": lambda kept: run.defaults,
    }
    rng = np.random.default_rng(0)
    for size in sizes:
        if size >= len(run.records["unseen"]):
            raise UserError(f"--lines {size}: the file of --unseen needs more lines, as the others are scored")
        orders = [rng.permutation(len(run.records["unseen"])).tolist() for _ in range(draws)]
        for how, choose in ways.items():
            scores = [run.scores(choose(order[:size]), "unseen", order[size:]) for order in orders]
            means = {name: float(np.mean([of_draw[name] for of_draw in scores])) for name in scores[0]}
            yield {"run": run.name, "kept": size, "chosen": how, **means}


if __name__ == "__main__":
    run_command(main)
