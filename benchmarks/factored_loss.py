"""Measures time and memory of the multi-label loss over all pairs of tokens, forward and backward, by labels.

python benchmarks/factored_loss.py

factored    common.losses.factored_multilabel_crossentropy, from the factors
dense       scores of all pairs [batch, labels, length, length], then common.losses.multilabel_crossentropy
bert4keras  the same scores, then bert4keras' sparse_multilabel_categorical_crossentropy, as in its examples
            with EfficientGlobalPointer

Each case runs in a process of its own. Its memory is the rise of the peak (ru_maxrss) over the peak after the same
graph has run on a tiny batch, so TensorFlow itself and the tracing are not in it.
"""

import argparse
import statistics
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
from tools.harness import ask, asking, in_turns, make_parser, median_ratio, messages, peak_memory, report, workers

from common.cli import run_command

if TYPE_CHECKING:
    import tensorflow as tf

FORMS = ("factored", "dense", "bert4keras")
POSITIVES = 4  # in a sentence; DuIE has 2


def main() -> None:
    args = parse_arguments()
    rows = []
    for labels in args.labels:
        with workers(serve, {form: (form, args.batch, labels, args.length) for form in FORMS}) as connections:
            values = {form: connection.recv() for form, connection in connections.items()}  # ready
            if not np.allclose(list(values.values()), values["factored"], rtol=1e-4):
                raise AssertionError(f"the forms differ: {values}")
            seconds = in_turns({form: asking(to, "step") for form, to in connections.items()}, args.rounds)
            row: dict[str, Any] = {"labels": labels}
            row |= {f"{form} ms": 1000 * statistics.median(seconds[form]) for form in FORMS}
            row |= {f"{form} times": median_ratio(seconds[form], seconds["factored"]) for form in FORMS[1:]}
            rows.append(row | {f"{form} MB": ask(connection, "peak") for form, connection in connections.items()})
    report("factored_loss", vars(args), rows)


def serve(connection: Connection, form: str, batch: int, labels: int, length: int) -> None:
    """Send the loss once, then answer "step" with the loss and "peak" with the memory in MB. This runs in a worker.

    Args:
        connection: connection to the process that asks
        form: one of FORMS
        batch: sentences
        labels: number of labels
        length: tokens of a sentence
    """
    step = make_step(form)
    step(*make_inputs(1, labels, 8))
    inputs = make_inputs(batch, labels, length)
    baseline = peak_memory()
    connection.send(float(step(*inputs)[0]))
    for message in messages(connection):
        if message == "step":
            connection.send(float(step(*inputs)[0]))
        else:
            connection.send((peak_memory() - baseline) / 1e6)


def make_inputs(batch: int, labels: int, length: int) -> list[np.ndarray]:
    """Return positives [batch, p, 3] of (label, i, j), and the three factors.

    The positives are distinct. None is in the cell (0, 0), which bert4keras' loss reads as padding.
    """
    rng = np.random.default_rng(0)
    cells = np.stack([rng.choice(labels * (length - 1) ** 2, POSITIVES, replace=False) for _ in range(batch)])
    label, i, j = np.unravel_index(cells, (labels, length - 1, length - 1))
    positives = np.stack([label, i + 1, j + 1], axis=-1).astype(np.int32)
    shapes = (batch, length, length), (batch, labels, length), (batch, labels, length)
    return [positives, *(rng.normal(size=shape).astype(np.float32) for shape in shapes)]


def make_step(form: str) -> "Callable[..., tuple[tf.Tensor, tuple[tf.Tensor, ...]]]":
    """Return a function of positives and factors that returns the mean loss and its gradients for the factors.

    The function is one graph for all shapes.
    """
    import tensorflow as tf

    loss = {"factored": factored, "dense": dense, "bert4keras": bert4keras}[form]
    factor = tf.TensorSpec([None, None, None], tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.int32), factor, factor, factor])
    def step(positives: tf.Tensor, *factors: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        with tf.GradientTape() as tape:
            tape.watch(factors)
            value = tf.reduce_mean(loss(positives, *factors))
        return value, tape.gradient(value, factors)

    return step


def factored(positives: "tf.Tensor", *factors: "tf.Tensor") -> "tf.Tensor":
    from common.losses import factored_multilabel_crossentropy

    return factored_multilabel_crossentropy(positives, *factors)


def dense(positives: "tf.Tensor", *factors: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    from common.losses import multilabel_crossentropy

    scores = all_scores(*factors)
    label, cell = labels_and_cells(positives, tf.shape(factors[0])[1])
    sentence = tf.broadcast_to(tf.range(tf.shape(label)[0])[:, None], tf.shape(label))
    targets = tf.scatter_nd(tf.stack([sentence, label, cell], -1), tf.ones(tf.shape(cell)), tf.shape(scores))
    return multilabel_crossentropy(targets, scores)


def bert4keras(positives: "tf.Tensor", *factors: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf
    from bert4keras.backend import sparse_multilabel_categorical_crossentropy

    scores = all_scores(*factors)
    label, cell = labels_and_cells(positives, tf.shape(factors[0])[1])
    targets = tf.one_hot(label, tf.shape(scores)[1], axis=1, dtype=tf.int32) * cell[:, None]
    return sparse_multilabel_categorical_crossentropy(targets, scores, mask_zero=True)


def all_scores(scores: "tf.Tensor", row_bias: "tf.Tensor", column_bias: "tf.Tensor") -> "tf.Tensor":
    """Return the scores of all pairs, [batch, labels, length * length]."""
    import tensorflow as tf

    pairs = scores[:, None] + row_bias[..., None] + column_bias[:, :, None]
    return tf.reshape(pairs, [tf.shape(pairs)[0], tf.shape(pairs)[1], -1])


def labels_and_cells(positives: "tf.Tensor", length: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
    """Return the labels of positives (label, i, j), and their cells i * length + j."""
    return positives[..., 0], positives[..., 1] * length + positives[..., 2]


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="sentences")
    parser.add_argument("--length", type=int, default=128, metavar="N", help="tokens of a sentence")
    parser.add_argument("--labels", type=int, nargs="+", default=[56, 112, 224, 448], metavar="N", help="labels")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
