"""Small trainings and what they leave behind, for tests and benchmarks. No pytest here."""

import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from common.files import read_submission_lines

# The config of a training that is small enough for a test: one layer, 15 steps an epoch on 60 examples.
TINY = {
    "train_file": "train.json",
    "dev_file": "dev.json",
    "encoder": {"hidden_size": 32, "layers": 1, "heads": 2},
    "epochs": 10,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "precision": "float32",
    "checkpoint_steps": 5,
}
# A BERT of one layer, as `build_encoder` takes it.
ARCHITECTURE = {
    "model": "bert", "vocab_size": 6, "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 32, "hidden_act": "gelu_erf", "max_position": 512,
    "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip


def write_tiny_config(folder: Path, **settings: Any) -> Path:
    """Write tiny.json with `TINY`, where `settings` add keys or replace them, and return its path."""
    (folder / "tiny.json").write_text(json.dumps(TINY | settings), encoding="utf-8")
    return folder / "tiny.json"


def count_out_of_reach(output: str, what: str) -> tuple[int, int]:
    """Return how many gold items are out of reach, and of how many, as `print_reach` printed it last.

    `what` is the noun for the items, such as "triples".
    """
    _, _, counted = output.rpartition("  out of reach: ")
    lost, total = counted.partition(f" {what}")[0].split(" of ")
    return int(lost), int(total)


def history(folder: Path) -> list[dict[str, str]]:
    """Read the rows of history.csv without the seconds, which differ from run to run."""
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]


def assert_equal_runs(run: Path, expected: Path) -> None:
    """Check that history and metrics are equal, and the best weights and the state of training to 1e-6."""
    assert history(run) == history(expected)
    assert (run / "metrics.json").read_bytes() == (expected / "metrics.json").read_bytes()
    assert (run / "curves.png").read_bytes()[:4] == b"\x89PNG"
    ours, theirs = _tensors(run), _tensors(expected)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=0, atol=1e-6, err_msg=name)


def _tensors(folder: Path) -> dict[str, np.ndarray | np.number]:
    """Read all tensors of the best weights and of the last checkpoint, by name."""
    import tensorflow as tf

    found = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
    checkpoint = tf.train.load_checkpoint(folder / "checkpoint")
    found |= {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray | np.number)}


def differences(run: Path, expected: Path) -> dict[str, float]:
    """Find the largest difference in each tensor of the best weights and of the last checkpoint of two runs.

    The runs have the same number of steps. A difference of values above 1, such as sums of losses, is relative.
    """
    ours, theirs = _tensors(run), _tensors(expected)
    assert ours.keys() == theirs.keys()
    pairs = {name: (ours[name].astype(np.float64), theirs[name]) for name in ours}
    return {name: float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0)) for name, (a, b) in pairs.items()}


def start_workers(script: Path, arguments: list, folder: Path, workers: int = 2) -> list[subprocess.Popen]:
    """Start a training by several processes of this machine.

    Args:
        script: the train.py to run.
        arguments: the arguments of its command line.
        folder: process i, counted from 0, runs in the subfolder i and prints to output.txt in there.
        workers: the number of processes.
    """
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    cluster = {"worker": [f"localhost:{server.getsockname()[1]}" for server in sockets]}
    processes = []
    for i, server in enumerate(sockets):
        server.close()
        settings = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}})
        place = folder / str(i)
        place.mkdir(exist_ok=True)
        command, environment = [sys.executable, *map(str, (script, *arguments))], os.environ | {"TF_CONFIG": settings}
        with (place / "output.txt").open("w", encoding="utf-8") as output:
            processes.append(
                subprocess.Popen(command, env=environment, cwd=place, stdout=output, stderr=subprocess.STDOUT)
            )
    return processes


def kill_training(script: Path, arguments: list, run: Path, checkpoints: int) -> None:
    """Start a training and kill it after one of its first checkpoints, drawn at random.

    Args:
        script: the train.py to run.
        arguments: the arguments of its command line.
        run: the run folder that the arguments name.
        checkpoints: how many of the first checkpoints to draw from.
    """
    import tensorflow as tf

    process = subprocess.Popen([sys.executable, script, *map(str, arguments)])
    chosen = random.Random(20).randint(1, checkpoints)

    def written() -> int:
        latest = tf.train.latest_checkpoint(run / "checkpoint")
        return int(latest.rpartition("-")[2]) if latest else 0

    while process.poll() is None and written() < chosen:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def read_records(path: Path) -> list[Any]:
    """Read the records of a file of JSON lines, plain or zipped."""
    return [record for _, record in read_submission_lines(path)]


class ReportParser(HTMLParser):
    """Reads a page as a browser does: its elements with their attributes, and the text of its scripts by id."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            name = self.elements[-1][1].get("id") or ""
            self.scripts[name] = self.scripts.get(name, "") + data

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", {}))


def parse_report(page: str) -> tuple[dict[str, Any], ReportParser]:
    """Return the data of a report's page, and the parser that has read the page."""
    parser = ReportParser()
    parser.feed(page)
    parser.close()
    return json.loads(parser.scripts["data"]), parser


def read_report(folder: Path) -> dict[str, Any]:
    """Read the data of the report in a folder."""
    return parse_report((folder / "report.html").read_text(encoding="utf-8"))[0]
