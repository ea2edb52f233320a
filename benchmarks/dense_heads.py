"""Compares a training step of relation extraction with factored heads and with bert4keras' dense GlobalPointer.

python benchmarks/dense_heads.py

Both models have the encoder of `base.json` with fresh weights, three heads for the same labels, AdamW and clipping.
They train in turns on the same real batches of DuIE. The dense one is built like bert4keras' own example of relation
extraction: a GlobalPointer with 64 entries per label and its sparse multi-label cross-entropy, in float32, which they
need.
"""

import argparse
import statistics
import sys
from collections import Counter
from functools import partial

import numpy as np
from tools.harness import BERT_BASE, ROOT, duie_or_demo, in_turns, make_parser, median_ratio, report

from common.batching import Batches, bucketed_batches
from common.cli import run_command
from common.config import EncoderSizes, OptimizerConfig
from common.encoder import build_encoder, resolve_encoder, set_precision
from common.files import read_jsonl
from common.heads import hidden_states
from common.loss_model import LossModel
from common.optimizers import make_optimizer

sys.path.insert(0, str(ROOT / "relation_extraction"))

import tensorflow as tf
import tf_keras as keras
from bert4keras.backend import sparse_multilabel_categorical_crossentropy
from bert4keras.layers import GlobalPointer

import pair
from dataset import Features, to_example, to_features
from records import Labels
from schema import read_schema


def main() -> None:
    args = parse_arguments()
    data = duie_or_demo()
    labels = Labels(read_schema(data.schema))
    source = resolve_encoder(EncoderSizes(hidden_size=768, layers=1, heads=12))  # only its tokenizer is used
    examples = [to_example(record, Counter()) for _, record in read_jsonl(data.train)]
    features = list(to_features(examples, source.tokenizer, labels, 256, 128, Counter()))
    order = bucketed_batches([len(feature.token_ids) for feature in features], 16, 0, epoch=0)
    precision = set_precision("auto")
    architecture = BERT_BASE | {"num_hidden_layers": args.layers}
    encoders = [build_encoder(architecture, 0) for _ in range(2)]
    set_precision("float32")  # for the heads, as bert4keras makes layers for them at each call
    models = {"factored": pair.build(encoders[0], labels, 0), "dense": dense_model(encoders[1], labels)}
    for model, loss in zip(models.values(), (pair.loss, dense_loss), strict=True):
        model.compile(make_optimizer(OptimizerConfig(), 2e-5, 10_000), loss)
    collate = {"factored": partial(pair.batch, labels=labels), "dense": partial(dense_batch, labels=labels)}

    def steps(side: str, _round: int) -> None:  # every round has the same batches, as new shapes are slow
        models[side].fit(Batches(features, order[: args.steps], collate[side], (0, 0)))

    seconds = in_turns({side: partial(steps, side) for side in models}, args.rounds)
    rows = [
        {
            "heads": side,
            "s/step": statistics.median(taken) / args.steps,
            "factored is faster": median_ratio(taken, seconds["factored"]),
        }
        for side, taken in seconds.items()
    ]
    report("dense_heads", vars(args), rows, precision=precision, labels=len(labels))


def dense_model(encoder: keras.Model, labels: Labels) -> LossModel:
    """Return a model with the heads of `pair.build`, which return all scores, [batch, labels, length, length]."""
    token_ids, hidden, mask = hidden_states(encoder)
    hidden = tf.cast(hidden, tf.float32)
    heads = {"spans": (2, True), "starts": (len(labels), False), "ends": (len(labels), False)}
    outputs = {
        name: GlobalPointer(n, 64, tril_mask=upper, name=name)(hidden, mask=mask) for name, (n, upper) in heads.items()
    }
    return LossModel({"token_ids": token_ids}, outputs)


def dense_loss(positives: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """Return the mean loss of the heads for each row, [batch]."""
    losses = []
    for name, scores in outputs.items():
        flat = tf.reshape(scores, [tf.shape(scores)[0], scores.shape[1], -1])
        by_label = sparse_multilabel_categorical_crossentropy(positives[name], flat, mask_zero=True)
        losses.append(tf.reduce_sum(by_label, 1))
    return tf.add_n(losses) / len(losses)


def dense_batch(
    features: list[Features], rng: np.random.Generator, labels: Labels
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the inputs and targets of a batch, as `pair.batch` does.

    The positives of a head are as bert4keras' loss takes them, int32 [batch, labels, p]: i * length + j, padded with 0.
    """
    inputs, positives = pair.batch(features, rng, labels)
    length, flat = inputs["token_ids"].shape[1], {}
    for name, triples in positives.items():
        n_labels = 2 if name == "spans" else len(labels)
        cells: list[list[list[int]]] = [[[] for _ in range(n_labels)] for _ in triples]
        for row, triple in enumerate(triples):
            for label, i, j in triple[triple[:, 0] >= 0]:
                cells[row][label].append(i * length + j)
        most = max(1, *(len(cell) for row in cells for cell in row))
        flat[name] = np.array([[cell + [0] * (most - len(cell)) for cell in row] for row in cells], np.int32)
    return inputs, flat


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="steps of each side in a round")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
