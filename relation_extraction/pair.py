"""The pair head: three efficient GlobalPointers (common/heads.py). `Head` in model.py says what each function is for.

`spans` scores the spans of subjects (label 0) and of objects' slots (label 1). For every relation and tie, `starts`
scores pairs of first tokens of two spans, and `ends` pairs of last tokens. The loss never builds a tensor
[labels, length, length], and decoding looks only at pairs of the few spans that were found.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from common.batching import model_inputs, pad_positives
from common.inference import Engine
from common.reach import perfect_scores
from common.spans import best_spans, pair_scores
from common.thresholds import Thresholds
from dataset import Features
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel

# Scores count above these. `spans` is for the spans, `links` for relations to an `@value`, and `slots` for relations to
# other slots and for ties. A model that has trained for a few epochs is too careful at 0 (docs/results.md).
THRESHOLDS = {"spans": -0.5, "links": -0.5, "slots": -1.0}

Gather = Callable[[np.ndarray, np.ndarray], np.ndarray]  # tokens i and j, int [n] each -> their scores [labels, n]


def batch(features: list[Features], rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch. Nothing in it is random.

    The targets are the positives (label, i, j) of each of the three pair heads, int32 [batch, p, 3], padded with -1.
    """
    targets: dict[str, list[np.ndarray]] = {"spans": [], "starts": [], "ends": []}
    for feature in features:
        relations = feature.relations
        is_tie = relations[:, 0] >= len(labels.relations)
        subjects, objects = relations[~is_tie, 1:3], relations[~is_tie, 3:5]
        spans = np.concatenate([np.insert(subjects, 0, 0, axis=1), np.insert(objects, 0, 1, axis=1)])
        targets["spans"].append(np.unique(spans, axis=0))
        targets["starts"].append(relations[:, [0, 1, 3]])
        targets["ends"].append(relations[:, [0, 2, 4]])
    return model_inputs(features), pad_positives(targets)


def build(encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
    """Build the model: `token_ids` int32 [batch, length] -> the factors of each pair head, see `PairHead`."""
    from common.heads import PairHead, hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    outputs = {
        "spans": PairHead(2, name="spans")(hidden, mask=mask),
        "starts": PairHead(len(labels), upper_triangle=False, name="starts")(hidden, mask=mask),
        "ends": PairHead(len(labels), upper_triangle=False, name="ends")(hidden, mask=mask),
    }
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.losses import pair_heads_loss

    return pair_heads_loss(targets, outputs)


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the model, which the extractor runs as it is."""
    return {"pair": model}


class Extractor:
    """Finds the relations and ties of each window of a batch: int32 [r, 5] as in `Features.relations`."""

    has_ties = True
    step = 0.5

    def __init__(self, engines: dict[str, Engine], labels: Labels):
        self.engines, self.labels, self.thresholds = engines, labels, dict(THRESHOLDS)

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.engines["pair"](model_inputs(features))
        for row, feature in enumerate(features):
            factors = {name: tuple(factor[row] for factor in of_output) for name, of_output in outputs.items()}
            yield decode(factors, len(feature.token_ids), self.labels, self.thresholds)


def perfect(feature: Features, labels: Labels) -> np.ndarray:
    """Find what the extractor finds in a window if all scores are right: int32 [r, 5]."""
    _, targets = batch([feature], np.random.default_rng(0), labels)
    size = len(labels), len(feature.token_ids)
    starts, ends = (perfect_scores(targets[name][0], *size) for name in ("starts", "ends"))
    return find_relations(targets["spans"][0], starts, ends, labels, dict.fromkeys(THRESHOLDS, 0.5))


def decode(factors: dict[str, tuple], length: int, labels: Labels, thresholds: Thresholds) -> np.ndarray:
    """Find the relations and ties of a window: int32 [r, 5].

    Args:
        factors: for each pair head (scores [l, l], row_bias [labels, l], column_bias [labels, l]).
        length: the number of tokens of the window, without padding.
        labels: the relations and ties that the model scores.
        thresholds: see `THRESHOLDS`.
    """
    spans = best_spans(factors["spans"], length, thresholds["spans"])
    starts = partial(pair_scores, factors["starts"])
    ends = partial(pair_scores, factors["ends"])
    return find_relations(spans, starts, ends, labels, thresholds)


def find_relations(
    spans: np.ndarray, starts: Gather, ends: Gather, labels: Labels, thresholds: Thresholds
) -> np.ndarray:
    """Find the relations and ties between spans, int [s, 3] of (label, first, last): int32 [r, 5]."""
    subjects, objects = spans[spans[:, 0] == 0, 1:], spans[spans[:, 0] == 1, 1:]
    limits, n = np.where(labels.are_values, thresholds["links"], thresholds["slots"])[:, None], len(labels.relations)
    relations = _link(subjects, objects, starts, ends, slice(0, n), limits)
    slots = np.unique(relations[:, 3:5], axis=0)
    ties = _link(slots, slots, starts, ends, slice(n, None), limits)
    return np.concatenate([relations, ties])


def _link(a: np.ndarray, b: np.ndarray, starts: Gather, ends: Gather, wanted: slice, limits: np.ndarray) -> np.ndarray:
    """Find the relations of the wanted labels between spans a [m, 2] and b [n, 2]: int32 [r, 5].

    The pair of first tokens and the pair of last tokens both have to score above the limit of the label, [labels, 1].
    """
    if not len(a) or not len(b):
        return np.zeros((0, 5), np.int32)
    i, j = np.indices((len(a), len(b))).reshape(2, -1)
    scores = np.minimum(starts(a[i, 0], b[j, 0])[wanted], ends(a[i, 1], b[j, 1])[wanted])
    label, pair = np.nonzero(scores > limits[wanted])
    return np.column_stack([label + wanted.start, a[i[pair]], b[j[pair]]]).astype(np.int32)
