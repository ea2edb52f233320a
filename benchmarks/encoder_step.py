"""Compares a training step of a fresh base-size BERT with one of PyTorch + transformers under bfloat16 autocast.

python benchmarks/encoder_step.py [--torch-python PATH]

Both do the same: a forward pass with dropout, a loss on the hidden states that costs nothing, a backward pass,
gradients clipped by their norm, and AdamW (the fused one of PyTorch). Ours computes in the precision that
`"precision": "auto"` takes here.

The shares say where our step spends its time. TensorFlow's profiler measures them in another run, whose operations run
one after the other. The bound is the time of the encoder's matrix products alone at the peak of matrix_peak.py.
"""

import argparse
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from matrix_peak import matrix_peak
from tools.harness import (
    BERT_BASE,
    TORCH_PYTHON,
    Case,
    ask,
    encoder_model,
    in_turns,
    make_parser,
    median_ratio,
    messages,
    report,
    torch_process,
    workers,
)  # fmt: skip

from common.cli import run_command

TORCH_WORKER = Path(__file__).resolve().parent / "tools/torch_step.py"
KINDS = {
    "matrix products": ("MatMul", "Einsum"),
    "AdamW, clipping and decay": ("ResourceApplyAdam", "AssignSub", "MulNoNan", "L2Loss"),
    "casts": ("Cast",),
    "random numbers": ("Random",),
    "exp and erf": ("Exp", "Erf"),
    "softmax": ("Softmax",),
    "transposes": ("Transpose",),
    "sums": ("Sum", "Mean", "BiasAddGrad"),
    "products and sums entry by entry": ("Mul", "Add", "Sub", "Square"),
}


def main() -> None:
    args = parse_arguments()
    architecture = BERT_BASE | {"num_hidden_layers": args.layers}
    ours = make_step(architecture, args.rows, args.length)
    cases: dict[str, Case] = {"ours": lambda _: ours()}
    version = None
    with torch_process(args.torch_python, TORCH_WORKER) as torch:
        if torch:
            version = torch(architecture=architecture, rows=args.rows, length=args.length)
            cases["torch"] = lambda _: torch()
        seconds = in_turns(cases, args.rounds)
    rows = [
        {
            "side": side,
            "s/step": statistics.median(taken),
            "fastest": min(taken),
            "ours is faster": median_ratio(taken, seconds["ours"]),
        }
        for side, taken in seconds.items()
    ]
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    with workers(profile, {"ours": (architecture, args.rows, args.length)}) as connections:
        shares = ask(connections["ours"], "shares")
    tokens, size = args.rows * args.length, architecture["hidden_size"]
    flops = 3 * args.layers * tokens * (2 * 12 * size**2 + 4 * args.length * size)
    report(
        "encoder_step",
        vars(args),
        rows,
        torch=version,
        share_of_time=shares,
        seconds_at_the_matrix_peak=flops / max(matrix_peak().values()),
    )


def make_step(architecture: dict[str, Any], rows: int, length: int) -> Callable[[], float]:
    """Return a function that takes a step on a batch of `rows` times `length` tokens and returns its loss."""
    model = encoder_model(architecture)
    token_ids = np.random.default_rng(0).integers(1, 8000, (rows, length)).astype(np.int32)
    return lambda: float(model.train_on_batch([token_ids, np.zeros_like(token_ids)], np.zeros(rows)))


def profile(connection: Connection, architecture: dict[str, Any], rows: int, length: int) -> None:
    """Answer each message with the share of each kind of operation in the time of a step. This runs in a worker.

    Args:
        connection: connection to the process that asks
        architecture: sizes of the encoder
        rows: sequences of a step
        length: tokens of a sequence
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step = make_step(architecture, rows, length)
    for _ in messages(connection):
        for _ in range(3):  # warms up
            step()
        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                for _ in range(3):
                    step()
            space = xplane_pb2.XSpace.FromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
        taken: Counter[str] = Counter()
        for plane in space.planes:
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    operation = name.rpartition(":")[2].strip()
                    if ":" in name and not operation.startswith(("Process", "Run", "__inference")):
                        taken[kind_of(operation)] += event.duration_ps
        connection.send({kind: round(share / taken.total(), 3) for kind, share in taken.most_common()})


def kind_of(operation: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), "other")


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--torch-python", type=Path, default=TORCH_PYTHON, metavar="PATH", help="Python that has PyTorch"
    )
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--rows", type=int, default=8, metavar="N", help="sequences of a step")
    parser.add_argument("--length", type=int, default=128, metavar="N", help="tokens of a sequence")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
