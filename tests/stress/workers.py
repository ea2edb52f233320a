"""Compares a training by two workers with that by one process, and kills a worker to see what becomes of the run.

python tests/stress/workers.py [--task TASK ...]

For every head of every task, a small model is trained by one process and, with the same config, by two workers on this
machine: without dropout, in batches of 3, on the first items of the official data if it is there, else of the demo set.
"largest difference" is that between the two runs, over the best weights and the last checkpoint with the optimizer's
state. The weights that differ by more than 1e-5 are named. (The last offset and bias of the softmax head do: they add
the same to the logits of all tokens, so their gradient is rounding error, which Adam makes as large as any other.)

Then one of two workers, the chief or the other, gets a SIGKILL after the first checkpoint. The output has the seconds
until the other one ends, what it says, and, after both have been started again, the difference from the uninterrupted
run.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common.cli import run_command
from common.testing.runs import differences, start_workers, write_tiny_config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/tools"))

from harness import ROOT, SCHEMAS, first_items, official_or_demo, report

HEADS = {
    "relation_extraction": ("pair", "pointer"),
    "event_extraction": ("pair", "crf"),
    "reading_comprehension": ("pair", "softmax"),
}
ITEMS = 61
VICTIMS = {"chief": 0, "other worker": 1}


def main() -> None:
    args = parse_arguments()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    rows, losses = [], []
    with tempfile.TemporaryDirectory() as folder:
        for task in args.task:
            for head in HEADS[task]:
                case = Case(Path(folder) / f"{task}-{head}", task, head)
                one, two = case.train("one", workers=1), case.train("two", workers=2)
                rows.append({"task": task, "head": head} | compare(two, one))
                print(rows[-1], flush=True)
        for victim, index in VICTIMS.items():
            losses.append({"killed": victim} | case.lose(index, one))
            print(losses[-1], flush=True)
    report("workers", vars(args), rows, losses=losses)


class Case:
    """The config of a head of a task, and the runs made with it."""

    def __init__(self, folder: Path, task: str, head: str):
        folder.mkdir()
        train = official_or_demo(task, "train.json")
        for name, items in (("train.json", ITEMS), ("dev.json", 5)):
            (folder / name).write_text(first_items(train, items), encoding="utf-8")
        settings: dict[str, Any] = {"schema_file": str(train.with_name(SCHEMAS[task]))} if task in SCHEMAS else {}
        settings |= {"head": head, "dropout": 0.0, "epochs": 3, "batch_size": 3, "max_length": 256, "stride": 64}
        settings |= {"learning_rate": 5e-4}
        self.config = write_tiny_config(folder, **settings)
        self.script, self.folder = ROOT / task / "train.py", folder

    def start(self, name: str, workers: int) -> list[subprocess.Popen]:
        arguments = ["--config", self.config, "--output", self.folder / name]
        return start_workers(self.script, arguments, self.folder, workers)

    def said(self, worker: int) -> str:
        return (self.folder / str(worker) / "output.txt").read_text(encoding="utf-8")

    def train(self, name: str, workers: int) -> Path:
        codes = [process.wait() for process in self.start(name, workers)]
        assert not any(codes), self.said(0)
        return self.folder / name

    def lose(self, victim: int, expected: Path) -> dict[str, Any]:
        """Kill worker `victim` after the first checkpoint, resume, and return a row of the table."""
        name = f"lost-{victim}"
        processes = self.start(name, workers=2)
        while not (self.folder / name / "checkpoint/checkpoint").exists():
            assert processes[0].poll() is None, self.said(0)
            time.sleep(0.005)
        processes[victim].send_signal(signal.SIGKILL)
        start = time.perf_counter()
        code = processes[1 - victim].wait()
        seconds = time.perf_counter() - start
        said = self.said(1 - victim).rpartition("error: ")[2].partition("\n")[0]
        difference = compare(self.train(name, workers=2), expected)
        return {"seconds": seconds, "exit code": code, "says": said} | difference


def compare(found: Path, expected: Path) -> dict[str, Any]:
    """Return the largest difference between two runs, and the names of the weights that differ much."""
    by_name = differences(found, expected)
    weights = [name for name, difference in by_name.items() if difference > 1e-5 and name.startswith("layers/")]
    return {"largest difference": max(by_name.values()), "above 1e-5": ", ".join(weights) or "none"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=HEADS, default=[*HEADS], metavar="TASK", help=", ".join(HEADS))
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
