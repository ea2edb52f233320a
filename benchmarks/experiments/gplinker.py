"""Compares the project's own head with GPLinker in PyTorch: scores after the same training, and CPU time.

python benchmarks/experiments/gplinker.py [--task relation_extraction|event_extraction]

Both sides train the bundled encoder on the first lines of the official train file, for the same number of epochs and
with the project's tokens. Batch size, windows and dropout are those of the task's `bundled.json`. The sides differ in
head, loss and framework.

- Ours is the task's train.py. It keeps 5 % of these lines out, to choose its thresholds on. Its epoch is the best one
  on dev.
- GPLinker (kexue.fm/archives/8888 for relations, 8926 for events) trains on all of them, in float32. Its learning
  rates, its epoch and its threshold are those with the best F1 on further lines of train. The rates to choose from have
  the schedule, the clipping and the weight decay of `bundled.json`. The published recipe has a constant rate and
  averaged weights instead, and says itself that these need more than 5,000 steps.

If the schema gives an object several slots, GPLinker takes each (predicate, slot) as a relation, and a slot belongs to
the nearest `@value`. Its events keep arguments without a trigger, as ours do.

Every side has one thread. Steps and prediction are measured in CPU seconds, in turns, on the same batches and the same
sentences. Prediction leads from official records to official records. On a CPU with bfloat16, GPLinker is measured with
its encoder in float32 and in bfloat16. All of it takes an hour or more and is therefore not part of `make bench`. A
small run takes a few minutes and shows that everything works, although neither side learns much in it:

python benchmarks/experiments/gplinker.py --lines 200 --epochs 1 --dev-lines 100 --rounds 2 --steps 2
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # also those of train.py and OpenVINO

from common.batching import Batches, bucketed_batches
from common.cli import UserError, run_command
from common.config import load_config
from common.encoder import resolve_encoder, start_encoder
from common.encoder_source import EncoderSource
from common.files import read_json
from common.inference import cpu_has_bfloat16, in_length_order
from common.run_folder import RunFolder, read_thresholds

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.gplinker_tasks import TASKS, Records, Task, featurise, perfect, to_records
from tools.harness import (
    ROOT,
    SCHEMAS,
    TORCH_PYTHON,
    Case,
    in_turns,
    make_parser,
    median_ratio,
    official_or_demo,
    report,
    torch_process,
)
from tools.linking import Found

WORKER = ROOT / "benchmarks/tools/torch_gplinker.py"
RATES = ((1e-3, 4e-3), (1e-3, 1e-3), (5e-4, 2e-3))  # of the encoder and the heads; the first are those of bundled.json
THRESHOLDS = (0.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0)  # the first is the published one
BATCH_SIZE = 64  # of prediction, as in predict.py


def main() -> None:
    args = parse_arguments()
    train = official_or_demo(args.task, "train.json")
    if ROOT / "data/demo" in train.parents:
        print("left out: everything, as the official data is not there (benchmarks/README.md says where it belongs)")
        return
    with torch_process(args.torch_python, WORKER) as ask, tempfile.TemporaryDirectory() as folder:
        if ask is not None:
            compare(args, train, Path(folder), ask)


def compare(args: argparse.Namespace, train: Path, folder: Path, ask: Callable[..., str]) -> None:
    """Train both sides, measure them and report.

    Args:
        args: the options.
        train: the official train file, with the other files next to it.
        folder: an empty one, for data and run.
        ask: sends a message to PyTorch, see `torch_process`.
    """
    sys.path.insert(0, str(ROOT / args.task))
    from config import Config

    files = cut_files(args, train, folder)
    settings = [f"{key}={files[key]}" for key in ("train_file", "dev_file", "schema_file")]
    settings += [f"epochs={args.epochs}", *args.set]
    config = load_config(Config, "bundled.json", ROOT / args.task, settings)
    source = resolve_encoder(config.encoder)
    task: Task = TASKS[args.task](config, source.tokenizer)
    run = train_ours(args.task, settings, folder)
    gplinker = GPLinker(ask, task, config)
    chosen = gplinker.train(task.read(config.train_file), task.read(str(files["kept"])))
    dev = task.read(config.dev_file)
    sides = {config.head: predict_ours(run, config, source, task), "GPLinker float32": gplinker.predict}
    if cpu_has_bfloat16():
        sides["GPLinker bfloat16"] = lambda records: gplinker.predict(records, bfloat16=True)
    scores, seconds = measure_prediction(sides, task, dev, args.rounds, gplinker.clock)
    steps = measure_steps(args, config, source, gplinker, list(sides))
    with run.history.open(encoding="utf-8") as file:
        history = [float(row["f1"]) for row in csv.DictReader(file)]
    metrics = read_json(run.metrics)
    report(
        f"gplinker_{args.task}",
        vars(args),
        [
            {
                "side": name,
                **scores[name],
                "CPU s/step": float(np.median(steps[name])) / args.steps,
                "step: ours is faster": median_ratio(steps[name], steps[config.head]),
                "sentences/CPU s": len(dev) / sum(seconds[name]),
                "prediction: ours is faster": median_ratio(seconds[name], seconds[config.head]),
            }
            for name in sides
        ],
        torch=gplinker.version,
        our_dev_f1_by_epoch=" ".join(map(str, history)),
        our_dev_scores_of_train=metrics["dev"],
        **chosen,
    )


def cut_files(args: argparse.Namespace, train: Path, folder: Path) -> dict[str, Path]:
    """Write the lines to train on, those to choose the settings of GPLinker on, and those of dev.

    Returns the files by the keys of a config. The one with the lines to choose on is "kept".
    """
    n, kept = args.lines, max(args.lines // 10, 1)
    files = {"schema_file": train.with_name(SCHEMAS[args.task])}
    parts = {"train_file": (train, 0, n), "kept": (train, n, n + kept)}
    parts["dev_file"] = (train.with_name("dev.json"), 0, args.dev_lines)
    for name, (path, start, stop) in parts.items():
        with path.open(encoding="utf-8") as file:
            lines = list(islice(file, start, stop))
        files[name] = folder / f"{name}.json"
        files[name].write_text("".join(lines), encoding="utf-8")
        if name == "kept" and len(lines) < kept:
            raise UserError(f"--lines {n}: {path} has to have {kept} more lines, to choose the settings of GPLinker on")
    return files


def train_ours(task: str, settings: list[str], folder: Path) -> RunFolder:
    """Run the task's train.py with these keys of the config, and return its run folder."""
    command = [sys.executable, str(ROOT / task / "train.py"), "--config", "bundled.json"]
    subprocess.run([*command, "--output", str(folder / "run"), "--set", *settings], check=True)
    return RunFolder(folder / "run")


class GPLinker:
    """Trains GPLinker in the process with PyTorch, and predicts with it.

    Args:
        ask: sends a message to that process.
        task: what is to be extracted.
        config: that of our own training.
    """

    def __init__(self, ask: Callable[..., str], task: Task, config: Any):
        self.ask, self.task, self.config = ask, task, config
        self.cpu_seconds, self.threshold = 0.0, THRESHOLDS[0]

    def clock(self) -> float:
        """Return the CPU seconds of this process and of the one with PyTorch."""
        return time.process_time() + self.cpu_seconds

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of the `Trainer` there."""
        answer = json.loads(self.ask(method=method, **arguments))
        self.cpu_seconds += answer["cpu_seconds"]
        return answer["answer"]

    def train(self, records: Records, kept: Records) -> dict[str, Any]:
        """Train with each of the rates, and choose rates, epoch and threshold by the F1 on kept records.

        Returns what was chosen, as facts for the report.
        """
        task, config = self.task, self.config
        self.features = featurise(task, records)
        targets = task.targets(records, self.features)
        windows = [
            (feature.token_ids.tolist(), [positives.tolist() for positives in of_window])
            for feature, of_window in zip(self.features, targets, strict=True)
        ]
        model = {"encoder": config.encoder, "dropout": config.dropout, "labels": task.sizes, "directed": task.directed}
        self.version = self.ask(windows=windows, **model)
        best = -1.0
        f1_by_epoch: dict[str, list[float]] = {}
        for rate, head_rate in RATES:
            batches = [self.batches(epoch) for epoch in range(config.epochs)]
            self.call("start", rate=rate, head_rate=head_rate, steps=sum(map(len, batches)), seed=config.seed)
            name = f"{rate:g} and {head_rate:g}"
            f1_by_epoch[name] = []
            for number, of_epoch in enumerate(batches, start=1):
                loss = self.call("train", batches=of_epoch)
                f1_by_epoch[name].append(f1 := self.f1(kept))
                print(f"GPLinker, rates {name}, epoch {number}: loss {loss:.4g}, F1 {f1} on kept lines", flush=True)
                if f1 >= best:
                    best, chosen = f1, f"{name}, epoch {number}"
                    self.call("keep")
        self.call("restore")
        by_threshold = {threshold: self.f1(kept, threshold) for threshold in THRESHOLDS}
        self.threshold = max(by_threshold, key=by_threshold.__getitem__)
        return {
            "chosen_rates": chosen,
            "chosen_threshold": self.threshold,
            "kept_f1_by_epoch": {name: " ".join(map(str, scores)) for name, scores in f1_by_epoch.items()},
            "kept_f1_of_a_model_without_mistakes": task.scores(kept, perfect(task, kept))["f1"],
        }

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch, the numbers of their windows."""
        lengths = [len(feature.token_ids) for feature in self.features]
        return [batch.tolist() for batch in bucketed_batches(lengths, self.config.batch_size, self.config.seed, epoch)]

    def f1(self, gold: Records, threshold: float | None = None) -> float:
        return self.task.scores(gold, self.predict(gold, threshold))["f1"]

    def predict(self, records: Records, threshold: float | None = None, bfloat16: bool = False) -> Records:
        """Predict official records at a threshold, or at the one that was chosen."""
        options = {"threshold": self.threshold if threshold is None else threshold, "bfloat16": bfloat16}

        def find(batch: list[Any]) -> list[Found]:
            found = self.call("find", token_ids=[feature.token_ids.tolist() for feature in batch], **options)
            return [Found(*(np.reshape(np.array(rows, int), (-1, 3)) for rows in of_window)) for of_window in found]

        features = featurise(self.task, records, labelled=False)
        found = in_length_order(features, [len(feature.token_ids) for feature in features], find, BATCH_SIZE)
        return to_records(self.task, records, features, found)


def predict_ours(run: RunFolder, config: Any, source: EncoderSource, task: Task) -> Callable[[Records], Records]:
    """Return a function that predicts as predict.py does."""
    from extraction import predict
    from model import load_extractor

    extractor = load_extractor(run, config, source, task.labels)
    extractor.thresholds = read_thresholds(run, extractor.thresholds)
    return lambda records: list(predict(records, extractor, source.tokenizer, task.labels, config, BATCH_SIZE))


def measure_prediction(
    sides: dict[str, Callable[[Records], Records]], task: Task, dev: Records, rounds: int, clock: Callable[[], float]
) -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
    """Predict the dev records with each side, a part in each round.

    Args:
        sides: predict records, by name.
        task: scores the predictions.
        dev: labelled records.
        rounds: number of parts.
        clock: returns CPU seconds.

    Returns:
        The scores of each side, and its CPU seconds of each round.
    """
    predictions: dict[str, Records] = {name: [] for name in sides}

    def case(name: str) -> Case:
        def predict_part(number: int) -> None:
            found = sides[name](dev[number - 1 :: rounds] if number else dev[:BATCH_SIZE])
            predictions[name] += found if number else []

        return predict_part

    seconds = in_turns({name: case(name) for name in sides}, rounds, clock)
    return {name: task.scores(dev, predictions[name]) for name in sides}, seconds


def measure_steps(
    args: argparse.Namespace, config: Any, source: EncoderSource, gplinker: GPLinker, names: list[str]
) -> dict[str, list[float]]:
    """Take training steps on each side, on the same batches.

    Args:
        args: the options.
        config: that of our own training.
        source: the encoder to start from.
        gplinker: has been trained. What these steps do to its weights does not matter any more.
        names: of our side, and of GPLinker in float32 and, if there is a third, in bfloat16.

    Returns:
        The CPU seconds of each side and round.
    """
    endless = chain.from_iterable(gplinker.batches(epoch) for epoch in count())
    parts = [list(islice(endless, args.steps)) for _ in range(args.rounds + 1)]
    ours = our_steps(config, source, gplinker, parts)
    theirs = [
        lambda number, bfloat16=bfloat16: gplinker.call("train", batches=parts[number], bfloat16=bfloat16)
        for bfloat16 in (False, True)
    ]
    return in_turns(dict(zip(names, [ours, *theirs], strict=False)), args.rounds, gplinker.clock)


def our_steps(config: Any, source: EncoderSource, gplinker: GPLinker, parts: list[list[list[int]]]) -> Case:
    """Build our model, and return a case that trains it on the batches of a round.

    Args:
        config: of the training.
        source: the encoder.
        gplinker: has the labels, and the features to train on.
        parts: the batches of each round.
    """
    from common.optimizers import make_optimizer
    from model import HEADS

    head, labels = HEADS[config.head], gplinker.task.labels
    model = head.build(start_encoder(config, source), labels, config.seed)
    rates = [head.rates(config)] if hasattr(head, "rates") else []
    steps = sum(map(len, parts))
    model.compile(
        make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables, *rates), head.loss
    )

    def collate(items: list[Any], rng: np.random.Generator) -> tuple[dict, dict]:
        return head.batch(items, rng, labels)

    return lambda number: model.fit(Batches(gplinker.features, parts[number], collate, (config.seed, 0)))


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--task", choices=TASKS, default="relation_extraction", help="default: relation_extraction")
    parser.add_argument("--lines", type=int, default=5000, metavar="N", help="lines of train to train on")
    parser.add_argument("--dev-lines", type=int, metavar="N", help="lines of dev to score (default: all)")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="epochs of each training")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps of each side in a round")
    parser.add_argument("--torch-python", type=Path, default=TORCH_PYTHON, metavar="PATH", help="Python with PyTorch")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override our config"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
