"""Compares the CRF of `common/crf.py` with bert4keras' ConditionalRandomField: loss with gradients, and decoding.

python benchmarks/crf.py

There are as many labels as the event extraction baseline of 2020 has on DuEE 1.0: BIO over 217 pairs of type and role,
so 435. Emissions are random. Decoding is compared with a Viterbi in NumPy that takes the maximum over the broadcast
[batch, n, n]. Its emissions are like those of a trained model, which prefers one label of each token by 8, and both
find the same paths. On random emissions only ours is timed.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
from tools.harness import in_turns, make_parser, median_ratio, report

from common.cli import run_command


def main() -> None:
    args = parse_arguments()
    import tensorflow as tf
    from bert4keras.layers import ConditionalRandomField

    from common.crf import crf_loss
    from common.viterbi import viterbi

    rng = np.random.default_rng(0)
    shape = args.batch, args.length, args.labels
    emissions = rng.normal(size=shape).astype(np.float32)
    tags = rng.integers(0, args.labels, shape[:2]).astype(np.int32)
    mask = np.ones(shape[:2], bool)
    layer = ConditionalRandomField()
    layer.build((None, None, args.labels))

    @tf.function
    def ours() -> "tuple[tf.Tensor, ...]":  # AutoGraph evaluates annotations where `tf` is unknown
        return gradients(lambda x: crf_loss(tags, x, layer.trans, mask))

    @tf.function
    def bert4keras() -> "tuple[tf.Tensor, ...]":
        return gradients(lambda x: layer.sparse_loss(tags, x))

    def gradients(loss: Callable[[tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, ...]:
        x = tf.constant(emissions)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_mean(loss(x))
        return value, *tape.gradient(value, [x, layer._trans])

    difference = max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(ours(), bert4keras(), strict=True))
    transitions = layer.trans.numpy()
    lengths = np.full(args.batch, args.length)
    trained = emissions + 8 * np.eye(args.labels, dtype=np.float32)[tags]
    assert np.array_equal(viterbi(trained, transitions, lengths), broadcast_viterbi(trained, transitions))
    cases = {
        "loss, ours": lambda _: ours()[0].numpy(),
        "loss, bert4keras": lambda _: bert4keras()[0].numpy(),
        "viterbi, ours, random": lambda _: viterbi(emissions, transitions, lengths),
        "viterbi, ours, trained": lambda _: viterbi(trained, transitions, lengths),
        "viterbi, broadcast": lambda _: broadcast_viterbi(trained, transitions),
    }
    say(args, in_turns(cases, args.rounds), difference)


def say(args: argparse.Namespace, seconds: dict[str, list[float]], difference: float) -> None:
    rows = [{"what": name, "ms": 1e3 * statistics.median(times)} for name, times in seconds.items()]
    report(
        "crf",
        vars(args),
        rows,
        loss_times_faster=median_ratio(seconds["loss, bert4keras"], seconds["loss, ours"]),
        viterbi_times_faster=median_ratio(seconds["viterbi, broadcast"], seconds["viterbi, ours, trained"]),
        largest_difference_of_loss_and_gradients=difference,
    )


def broadcast_viterbi(emissions: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return the best paths, int [batch, length], by the maximum over [batch, n, n] at every step.

    `emissions` are [batch, length, n], `transitions` [n, n].
    """
    scores, pointers = emissions[:, 0], []
    for t in range(1, emissions.shape[1]):
        through = scores[:, :, None] + transitions
        pointers.append(through.argmax(1))
        scores = through.max(1) + emissions[:, t]
    path = [scores.argmax(1)]
    for pointer in pointers[::-1]:
        path.append(np.take_along_axis(pointer, path[-1][:, None], 1)[:, 0])
    return np.stack(path[::-1], axis=1)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="sentences")
    parser.add_argument("--length", type=int, default=128, metavar="N", help="tokens of a sentence")
    parser.add_argument("--labels", type=int, default=435, metavar="N", help="labels")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
