"""Measures speed and memory of prediction by one process, by two workers, and by Ray on two nodes of this machine.

python benchmarks/scale_out.py [--blocks 10]

predict.py of relation extraction runs with an encoder of 4 x 256 that was trained for a moment, on the texts of DuIE
2.0 test1, over and over. Every side predicts two files, one of two blocks and one of `--blocks`. Sentences/s come from
the difference between the two, so the start of the processes and the loading of the model do not count. Memory is the
peak of the largest worker for either file, which should not grow. "same output" says whether both outputs are byte for
byte those of one process.

The nodes are two of `ray.cluster_utils`, with half the cores each. If this environment has no Ray, they are left out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tools.harness import ROOT, duie_or_demo, first_items, make_parser, report

from common.cli import run_command
from common.testing.runs import write_tiny_config

TASK = ROOT / "relation_extraction"
BLOCK = 2048  # as in predict.py
WORKERS = 2


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder, cluster() as address:
        place = Path(folder)
        model = train(place)
        sides: dict[str, list[Any]] = {"one process": [], "--workers": ["--workers", WORKERS]}
        if address:
            sides["Ray, nodes"] = ["--ray", address]
        sizes = (2 * BLOCK, args.blocks * BLOCK)
        runs: dict[str, list[list[tuple[float, int]]]] = {side: [] for side in sides}
        for _ in range(args.rounds):
            for side, options in sides.items():
                runs[side].append([predict(model, place, side, lines, args.engine, options) for lines in sizes])
        rows = [row(side, sizes, found, place) for side, found in runs.items()]
    report("scale_out", vars(args), rows, lines=sizes)


def row(side: str, sizes: tuple[int, int], runs: list[list[tuple[float, int]]], place: Path) -> dict[str, Any]:
    """Return a row of the table.

    Args:
        side: name of the side
        sizes: lines of the small and of the large file
        runs: for each round, what `predict` returned for the small and for the large file
        place: folder of the outputs
    """
    workers = 1 if side == "one process" else WORKERS
    speed = statistics.median((sizes[1] - sizes[0]) / (long[0] - short[0]) for short, long in runs)
    small, large = (max(one[size][1] for one in runs) / 1e6 for size in range(2))
    same = all((place / f"{side} {n}").read_bytes() == (place / f"one process {n}").read_bytes() for n in sizes)
    return {
        "side": side,
        "workers": workers,
        "sentences/s": speed,
        "per worker": speed / workers,
        "peak MB, few": small,
        "peak MB, many": large,
        "same output": "yes" if same else "NO",
    }


def predict(model: Path, place: Path, side: str, lines: int, engine: str, options: list[Any]) -> tuple[float, int]:
    """Predict a file.

    Args:
        model: run folder
        place: folder of inputs and outputs
        side: name of the side, for the output
        lines: lines of the file
        engine: as in --engine
        options: further options of predict.py, none for a single process

    Returns:
        The seconds, and the peak memory of the largest worker in bytes.
    """
    texts = place / f"input {lines}"
    if not texts.exists():
        with duie_or_demo().test.open(encoding="utf-8") as file:
            texts.write_text("".join(islice(cycle(file.readlines()), lines)), encoding="utf-8")
    files = ["--model", model, "--input", texts, "--output", place / f"{side} {lines}"]
    command = [sys.executable, TASK / "predict.py", *files, "--engine", engine, *options]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            workers = worker_processes(process.pid) if options else [process.pid]
            peak = max(peak, *map(peak_of, workers), 0)
            time.sleep(0.1)
    assert process.returncode == 0, command
    return time.perf_counter() - start, peak


def worker_processes(parent: int) -> Iterator[int]:
    """Yield the workers that a process of this machine has started, and those of Ray."""
    for folder in Path("/proc").glob("[0-9]*"):
        process, command = int(folder.name), read(folder / "cmdline")
        if command.startswith("ray::Predictor") or ("spawn_main" in command and status(process)["PPid"] == parent):
            yield process


def peak_of(process: int) -> int:
    return status(process)["VmHWM"] * 1024


def status(process: int) -> Counter[str]:
    """Return the numbers of /proc/PROCESS/status, all 0 if the process has ended."""
    lines = (line.split() for line in read(Path(f"/proc/{process}/status")).splitlines())
    return Counter({line[0].rstrip(":"): int(line[1]) for line in lines if len(line) > 1 and line[1].isdecimal()})


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # the process has ended
        return ""


def train(place: Path) -> Path:
    """Train a small model and return its run folder."""
    data = duie_or_demo()
    for name, lines in (("train.json", 600), ("dev.json", 50)):
        (place / name).write_text(first_items(data.train, lines), encoding="utf-8")
    settings: dict[str, Any] = {"schema_file": str(data.schema), "max_length": 256, "stride": 128}
    settings |= {"encoder": {"hidden_size": 256, "layers": 4, "heads": 4}}
    settings |= {"epochs": 2, "batch_size": 16, "learning_rate": 5e-4, "checkpoint_steps": 500}
    config = write_tiny_config(place, **settings)
    subprocess.run([sys.executable, TASK / "train.py", "--config", config, "--output", place / "run"], check=True)
    return place / "run"


@contextmanager
def cluster() -> Iterator[str | None]:
    """Start a Ray cluster of two nodes and yield its address, or None without Ray."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # else the head node reports to the makers of Ray
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        print("left out: Ray, which is not installed")
        yield None
        return
    nodes = Cluster()
    for _ in range(WORKERS):
        nodes.add_node(num_cpus=max(1, (os.cpu_count() or 1) // WORKERS), include_dashboard=False)
    yield nodes.address
    nodes.shutdown()


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument(
        "--blocks", type=int, default=10, metavar="N", help=f"blocks of {BLOCK} lines in the larger file"
    )
    engines = ("auto", "tensorflow", "openvino")
    parser.add_argument("--engine", default="auto", choices=engines, help="as for predict.py (default: auto)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
