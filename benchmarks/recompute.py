"""Memory and time of a training step of a fresh base-size encoder with and without recompute, by batch size.

python benchmarks/recompute.py

Each of the two is a process of its own, with dropout and AdamW. Memory is the peak of the process (ru_maxrss)
after a step of that batch, batches in ascending order. Growth for a further sample is the slope between the
smallest and the largest batch.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
from multiprocessing.connection import Connection

import numpy as np
from tools.harness import in_turns, make_parser, median_ratio, report

from common.cli import run

KILOBYTE = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
MODES = {"off": 0, "on": 1}


def main() -> None:
    args = parse_arguments()
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    connections, processes = {}, []
    for mode, recompute in MODES.items():
        connections[mode], other = context.Pipe()
        work = other, recompute, args.layers, args.length
        processes.append(context.Process(target=serve, args=work))
        processes[-1].start()
        other.close()  # so that a worker that dies is an EOFError here
    rows = []
    for batch in sorted(args.batches):
        seconds = in_turns({mode: caller(connections[mode], batch) for mode in MODES}, args.rounds)
        row = {"batch": batch}
        for mode, connection in connections.items():
            connection.send("peak")
            row |= {f"{mode} s/step": statistics.median(seconds[mode]), f"{mode} MB": connection.recv() / 1e6}
        rows.append(row | {"time on / off": median_ratio(seconds["on"], seconds["off"])})
    for process, connection in zip(processes, connections.values(), strict=True):
        connection.close()
        process.join()
    span = rows[-1]["batch"] - rows[0]["batch"]
    growth = {mode: (rows[-1][f"{mode} MB"] - rows[0][f"{mode} MB"]) / span for mode in MODES}
    report("recompute", vars(args), rows, MB_for_a_further_sample=growth, growth_off_to_on=growth["off"] / growth["on"])


def caller(connection: Connection, batch: int):
    def step(_round: int) -> None:
        connection.send(batch)
        connection.recv()

    return step


def serve(connection: Connection, recompute: int, layers: int, length: int) -> None:
    """The worker: answers the size of a batch with the loss of a step, and "peak" with bytes."""
    model = build(recompute, layers)
    rng = np.random.default_rng(0)
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if message == "peak":
            connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE)
        else:
            token_ids = rng.integers(1, 8000, (message, length)).astype(np.int32)
            connection.send(float(model.train_on_batch([token_ids, np.zeros_like(token_ids)], np.zeros(message))))


def build(recompute: int, layers: int):
    """Encoder and a loss on its hidden states that costs nothing."""
    import tensorflow as tf

    from common.config import EncoderSizes, OptimizerConfig
    from common.encoder import build_encoder, resolve_encoder
    from common.optimizers import make_optimizer
    from common.training import LossModel, set_precision

    set_precision("auto")
    source = resolve_encoder(EncoderSizes(hidden_size=768, layers=layers, heads=12))
    encoder = build_encoder(source.architecture, 0, recompute=recompute)
    model = LossModel(encoder.inputs, encoder(encoder.inputs))
    loss = lambda labels, hidden: tf.reduce_mean(tf.square(tf.cast(hidden, tf.float32) - 1))  # noqa: E731
    model.compile(make_optimizer(OptimizerConfig(), 1e-5, 1000), loss)
    return model


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="of the encoder")
    parser.add_argument("--length", type=int, default=256, metavar="N", help="tokens of a sample")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="samples of a step")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
