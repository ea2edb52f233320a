"""Memory and time of a training step of a fresh base-size encoder with and without recompute, by batch size.

python benchmarks/recompute.py

Each of the two is a process of its own, with dropout and AdamW. Memory is the peak of the process (ru_maxrss)
after a step of that batch, batches in ascending order. Growth for a further sample is the slope between the
smallest and the largest batch.
"""

import argparse
import statistics
from multiprocessing.connection import Connection

import numpy as np
from tools.harness import ask, in_turns, make_parser, median_ratio, messages, peak_memory, report, workers

from common.cli import run

MODES = {"off": 0, "on": 1}


def main() -> None:
    args = parse_arguments()
    rows = []
    with workers(serve, {mode: (recompute, args.layers, args.length) for mode, recompute in MODES.items()}) as both:
        for batch in sorted(args.batches):
            steps = {mode: lambda _, to=to, batch=batch: ask(to, batch) for mode, to in both.items()}
            seconds = in_turns(steps, args.rounds)
            row = {"batch": batch}
            for mode, to in both.items():
                row |= {f"{mode} s/step": statistics.median(seconds[mode]), f"{mode} MB": ask(to, "peak") / 1e6}
            rows.append(row | {"time on / off": median_ratio(seconds["on"], seconds["off"])})
    span = rows[-1]["batch"] - rows[0]["batch"]
    growth = {mode: (rows[-1][f"{mode} MB"] - rows[0][f"{mode} MB"]) / span for mode in MODES}
    report("recompute", vars(args), rows, MB_for_a_further_sample=growth, growth_off_to_on=growth["off"] / growth["on"])


def serve(connection: Connection, recompute: int, layers: int, length: int) -> None:
    """The worker: answers the size of a batch with the loss of a step, and "peak" with bytes."""
    model = build(recompute, layers)
    rng = np.random.default_rng(0)
    for message in messages(connection):
        if message == "peak":
            connection.send(peak_memory())
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
