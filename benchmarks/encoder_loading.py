"""Measures loading a base-size BERT (12 x 768, 21,128 tokens, random weights) from each format of published encoders.

python benchmarks/encoder_loading.py

Each reading runs in a process of its own that has already imported TensorFlow. The memory is what the peak of that
process rises by. All formats are asserted to give the same tensors. With --train, relation extraction's base.json also
trains 20 steps from each, and the mean losses of these steps are compared.
"""

import argparse
import hashlib
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import load_file
from tools.harness import BERT_BASE, ROOT, duie_or_demo, first_items, make_parser, peak_memory, report

from common.cli import run_command
from common.encoder import build_encoder, resolve_encoder, save_checkpoint, save_encoder
from common.encoder_source import EncoderSource
from common.testing.torch_writer import saved
from common.tokenizer import Tokenizer

STEPS, BATCH = 20, 16


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        encoders = write_encoders(Path(folder), BERT_BASE | {"num_hidden_layers": args.layers})
        measured = {name: [read_apart(path) for _ in range(args.rounds)] for name, path in encoders.items()}
        losses = {name: train(path, Path(folder)) for name, path in encoders.items()} if args.train else {}
    digests = {digest for readings in measured.values() for _, _, digest in readings}
    assert len(digests) == 1, "the formats give different tensors"
    rows = []
    for name, readings in measured.items():
        seconds, rises, _ = zip(*readings, strict=True)
        rows.append({"format": name, "s": statistics.median(seconds), "peak MB": statistics.median(rises) / 1e6})
        rows[-1] |= {"mean loss": losses[name]} if losses else {}
    report("encoder_loading", vars(args), rows, equal_losses=len(set(losses.values())) == 1 if losses else None)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--train", action="store_true", help="also train 20 steps from each format (minutes)")
    return parser.parse_args()


def write_encoders(folder: Path, architecture: dict[str, Any]) -> dict[str, Path]:
    """Write the same encoder in each format. Return the folders by format."""
    tokens = Tokenizer.from_vocab(ROOT / "data/vocab.txt").tokens
    missing = architecture["vocab_size"] - len(tokens)
    source = EncoderSource("base", architecture, Tokenizer([*tokens, *(f"[unused{i}]" for i in range(missing))]))
    first = folder / "safetensors"
    save_encoder(build_encoder(architecture, seed=0, with_mlm=True), source, first)
    save_checkpoint(resolve_encoder(str(first)), folder / "checkpoint")
    weights = load_file(first / "model.safetensors")
    writers: dict[str, Callable[[Path], object]] = {
        "tf_model.h5": lambda path: write_hdf5(weights, path),
        "pytorch_model.bin": lambda path: path.write_bytes(saved(weights)),
    }
    for name, write in writers.items():
        (folder / name).mkdir()
        for other in ("config.json", "vocab.txt", "tokenizer_config.json"):
            (folder / name / other).write_bytes((first / other).read_bytes())
        write(folder / name / name)
    return {name: folder / name for name in ("safetensors", "checkpoint", *writers)}


def write_hdf5(weights: dict[str, np.ndarray], path: Path) -> None:
    """Write weights under the names that Keras gives them: kernels transposed, names with slashes."""
    with h5py.File(path, "w") as file:
        for name, value in weights.items():
            *scope, last = name.split(".")
            is_kernel = last == "weight" and value.ndim == 2 and not scope[-1].endswith("embeddings")
            last = "kernel" if is_kernel else last
            file["/".join(["bert", "tf_bert_for_masked_lm", *scope, f"{last}:0"])] = value.T if is_kernel else value


def read_apart(folder: Path) -> tuple[float, int, str]:
    """Return the seconds of reading the weights, the bytes that the peak memory rises by, and the weights' digest."""
    context = multiprocessing.get_context("spawn")
    ours, other = context.Pipe()
    process = context.Process(target=read, args=(other, str(folder)))
    process.start()
    other.close()
    result = ours.recv()
    process.join()
    return result


def read(connection: Connection, folder: str) -> None:
    import tensorflow  # noqa: F401  a checkpoint needs it, and a training has it anyway

    source = resolve_encoder(folder)
    assert source.weights is not None
    before, start = peak_memory(), time.perf_counter()
    weights = source.weights()
    seconds, rise = time.perf_counter() - start, peak_memory() - before
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    connection.send((seconds, rise, digest.hexdigest()))


def train(encoder: Path, folder: Path) -> str:
    """Train base.json for 20 steps, and return the mean loss as the history of the run has it."""
    data, run = duie_or_demo(), folder / f"run-{encoder.name}"
    (folder / "train.json").write_text(first_items(data.train, STEPS * BATCH), encoding="utf-8")
    (folder / "dev.json").write_text(first_items(data.train, BATCH), encoding="utf-8")
    settings = {
        "encoder": encoder, "schema_file": data.schema, "train_file": folder / "train.json",
        "dev_file": folder / "dev.json", "epochs": 1, "threshold_share": 0,
    }  # fmt: skip
    command = [
        sys.executable,
        str(ROOT / "relation_extraction/train.py"),
        "--config",
        "base.json",
        "--output",
        str(run),
    ]
    subprocess.run([*command, "--set", *(f"{k}={v}" for k, v in settings.items())], check=True, capture_output=True)
    header, row = ((run / "history.csv").read_text(encoding="utf-8")).splitlines()
    return dict(zip(header.split(","), row.split(","), strict=True))["loss"]


if __name__ == "__main__":
    run_command(main)
