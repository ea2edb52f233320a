"""Measures memory and time of a training step with and without recompute, and the largest batch under a limit.

python benchmarks/recompute.py

The encoder is fresh and of base size, with dropout and AdamW. Training with and without recompute runs in two
processes. Memory is the peak of the process (ru_maxrss) after a step with a batch of that size; sizes come in ascending
order. The growth for a further sample is the slope between the smallest and the largest batch. Recompute may cost one
more forward pass, so the table also has the share of a forward pass in a step without recompute. The search for the
largest batch starts where the line of that slope crosses the limit, and tries each size in a fresh process.

The figure is written to runs/benchmarks/recompute.png.
"""

import argparse
import statistics
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from tools.harness import (
    ROOT,
    ask,
    asking,
    encoder_model,
    in_turns,
    make_parser,
    median_ratio,
    messages,
    peak_memory,
    report,
    workers,
)  # fmt: skip

from common.cli import run_command

MODES = {"off": 0, "on": 1}


def main() -> None:
    args = parse_arguments()
    settings: dict[str, tuple[Any, ...]] = {
        mode: (recompute, args.layers, args.length, args.precision) for mode, recompute in MODES.items()
    }
    batches = sorted(args.batches)
    with workers(serve, settings) as both:
        rows = [measure(both, batch, args.rounds) for batch in batches]
    span = batches[-1] - batches[0]
    growth = {mode: (rows[-1][f"{mode} MB"] - rows[0][f"{mode} MB"]) / span for mode in MODES}
    largest = {}
    for mode in MODES if args.limit else ():
        guess = batches[0] + (args.limit - rows[0][f"{mode} MB"]) / growth[mode]
        largest[mode] = largest_batch(settings[mode], round(guess), args.limit)
    if args.limit:
        plot(rows, largest, args.limit)
    report(
        "recompute",
        vars(args),
        rows,
        MB_for_a_further_sample=growth,
        growth_off_to_on=growth["off"] / growth["on"],
        largest_batch_under_the_limit=largest,
    )


def measure(both: dict[str, Connection], batch: int, rounds: int) -> dict[str, Any]:
    """Measure a size of batch.

    Args:
        both: mode -> the worker that trains in it
        batch: samples of a step
        rounds: steps that are measured

    Returns:
        A row of the table.
    """
    cases = {mode: asking(to, ("step", batch)) for mode, to in both.items()}
    seconds = in_turns(cases | {"forward": asking(both["off"], ("forward", batch))}, rounds)
    row: dict[str, Any] = {"batch": batch}
    for mode, to in both.items():
        row |= {f"{mode} s/step": statistics.median(seconds[mode]), f"{mode} MB": ask(to, ("peak", 0)) / 1e6}
    return row | {
        "time on / off": median_ratio(seconds["on"], seconds["off"]),
        "forward / off": median_ratio(seconds["forward"], seconds["off"]),
    }


def largest_batch(settings: tuple[Any, ...], batch: int, limit: float) -> int:
    """Find the largest batch whose step stays below a limit.

    Args:
        settings: arguments of `serve` after the connection
        batch: size to start from
        limit: limit of memory in MB

    Returns:
        A size of batch. Sizes are tried in steps of a sixteenth of `batch`.
    """
    change = max(batch // 16, 1)
    if needs(settings, batch) > limit:
        while needs(settings, batch := batch - change) > limit:
            pass
        return batch
    while needs(settings, batch + change) <= limit:
        batch += change
    return batch


def needs(settings: tuple[Any, ...], batch: int) -> float:
    """Return the peak memory of a process that takes two steps, in MB."""
    with workers(serve, {"one": settings}) as one:
        for _ in range(2):
            ask(one["one"], ("step", batch))
        return ask(one["one"], ("peak", 0)) / 1e6


def serve(connection: Connection, recompute: int, layers: int, length: int, precision: str) -> None:
    """Answer ("step", batch) and ("forward", batch) with a loss, ("peak", 0) with bytes. This runs in a worker.

    Args:
        connection: connection to the process that asks
        recompute: as in a config
        layers: layers of the encoder
        length: tokens of a sample
        precision: as in a config
    """
    import tensorflow as tf

    from common.bert import dropout_seed
    from common.loss_model import mean_loss

    model = encoder_model(architecture(layers), recompute, precision)
    rng = np.random.default_rng(0)

    @tf.function(reduce_retracing=True)
    def forward(inputs: "list[tf.Tensor]") -> "tf.Tensor":  # AutoGraph evaluates annotations where `tf` is unknown
        with dropout_seed(0, 0):
            return mean_loss(model.loss_function(None, model(inputs, training=True)))

    for what, batch in messages(connection):
        token_ids = rng.integers(1, 8000, (batch, length)).astype(np.int32)
        inputs = [token_ids, np.zeros_like(token_ids)]
        if what == "peak":
            connection.send(peak_memory())
        elif what == "forward":
            connection.send(float(forward(inputs)))
        else:
            connection.send(float(model.train_on_batch(inputs, np.zeros(batch))))


def architecture(layers: int) -> dict[str, Any]:
    from common.config import EncoderSizes
    from common.encoder import resolve_encoder

    return resolve_encoder(EncoderSizes(hidden_size=768, layers=layers, heads=12)).architecture


def plot(rows: list[dict[str, Any]], largest: dict[str, int], limit: float) -> None:
    """Draw the memory by batch size, and the largest batches under the limit.

    Args:
        rows: rows of the table
        largest: mode -> largest batch
        limit: limit of memory in MB
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for mode, batch in largest.items():
        points = axes.plot([row["batch"] for row in rows], [row[f"{mode} MB"] / 1e3 for row in rows], "o-")
        axes.plot(batch, limit / 1e3, "*", markersize=14, color=points[0].get_color())
        points[0].set_label(f"recompute {mode}: {batch} samples under {limit / 1e3:g} GB")
    axes.axhline(limit / 1e3, color="grey", linestyle=":")
    axes.set(xlabel="samples of a batch", ylabel="peak memory of the process, GB", ylim=0)
    axes.grid(alpha=0.3)
    axes.legend()
    folder = ROOT / "runs/benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "recompute.png", dpi=100)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--length", type=int, default=256, metavar="N", help="tokens of a sample")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="samples of a step")
    parser.add_argument("--precision", default="auto", metavar="NAME", help="as in a config (default: auto)")
    parser.add_argument("--limit", type=float, default=4000, metavar="MB", help="limit of memory; 0: none")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
