"""Shows what each option of the optimizer does to the loss curve and the dev score, by one short training per option.

python benchmarks/experiments/optimizers.py [--task relation_extraction|event_extraction]

Every run trains the task's `small.json` (with the files of the official data) for one epoch from the same seed. It
differs from the first one only in the named keys. The script prints a table and writes docs/optimizers_TASK.png. Runs
stay in runs/experiments/TASK and are not repeated, so the same command resumes where it was stopped. It takes about
half an hour and is therefore not part of `make bench`.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.figure
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from common.cli import run_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.harness import ROOT, SCHEMAS, official_or_demo

# task -> name of a run -> the settings in which it differs
VARIANTS: dict[str, dict[str, list[str]]] = {
    "relation_extraction": {
        "AdamW, linear, hard clip": [],
        "AdaX": ["optimizer.name=adax"],
        "no clip": ["optimizer.clip_norm=null"],
        "soft clip": ["optimizer.clip=soft"],
        "cosine": ["optimizer.schedule=cosine"],
        "constant": ["optimizer.schedule=constant"],
        "constant, average 0.99": ["optimizer.schedule=constant", "optimizer.average=0.99"],
        "average 0.99": ["optimizer.average=0.99"],
        "layer decay 0.8": ["optimizer.layer_decay=0.8"],
        "heads x 4": ["optimizer.head_rate=4"],
    },
    "event_extraction": {
        "transitions x 1": ["head=crf", "crf_learning_rate=5e-4"],
        "transitions x 4": ["head=crf", "crf_learning_rate=2e-3"],
        "transitions x 100": ["head=crf", "crf_learning_rate=5e-2"],
    },
}
SMOOTHED = 5  # points that are averaged in the plot; each is a mean over 20 steps


def main() -> None:
    args = parse_arguments()
    folders = {name: ROOT / "runs/experiments" / args.task / slug(name) for name in VARIANTS[args.task]}
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda name: train(args.task, VARIANTS[args.task][name], folders[name], args.jobs), folders))
    curves = {name: loss_curve(folder) for name, folder in folders.items()}
    print("| run | loss of the last 100 steps | dev F1 | while training |\n| --- | --- | --- | --- |")
    for name, folder in folders.items():
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        scores = [metrics[key]["f1"] for key in ("dev", "dev_while_training")]
        print(f"| {name} | {np.mean(curves[name][1][-5:]):.3f} | {scores[0]:.4f} | {scores[1]:.4f} |")
    plot(curves, ROOT / f"docs/optimizers_{args.task}.png")


def train(task: str, settings: list[str], folder: Path, jobs: int) -> None:
    """Train in a process of its own.

    Args:
        task: folder of the task
        settings: KEY=VALUE in which this run differs
        folder: run folder; the output goes to a .log next to it
        jobs: trainings that run side by side and share the cores
    """
    names = {"train_file": "train.json", "dev_file": "dev.json", "schema_file": SCHEMAS[task]}
    files = [f"{key}={official_or_demo(task, name)}" for key, name in names.items()]
    command = [sys.executable, str(ROOT / task / "train.py"), "--config", "small.json", "--output", str(folder)]
    threads = str(max((os.cpu_count() or 1) // jobs, 1))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.log").open("a", encoding="utf-8") as log:
        subprocess.run(
            [*command, "--set", "epochs=1", *files, *settings],
            env=os.environ | {"TF_NUM_INTRAOP_THREADS": threads}, stdout=log, stderr=log, check=True,
        )  # fmt: skip


def loss_curve(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return steps, and the mean loss of the 20 steps before each.

    A resumed run may have taken a step twice. Then the second time counts.
    """
    events = EventAccumulator(str(folder / "logs"), {"tensors": 0}).Reload().Tensors("training/loss")
    points = {event.step: float(make_ndarray(event.tensor_proto)) for event in events}
    return np.array(list(points)), np.array(list(points.values()))


def plot(curves: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    figure = matplotlib.figure.Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for name, (steps, losses) in curves.items():
        smooth = np.convolve(losses, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
        axes.plot(steps[SMOOTHED - 1 :], smooth, label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="training loss, mean of 100 steps", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)


def slug(name: str) -> str:
    return "-".join(name.lower().replace(",", "").split())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=VARIANTS, default="relation_extraction", help="default: relation_extraction")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trainings side by side")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
