"""The pair head: three efficient GlobalPointers (common/heads.py).

`spans` scores the first and last token of every trigger and argument, for each label. `starts` scores the first tokens
of a trigger and an argument of its event, and `ends` their last tokens, for each label of an argument.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from common.batching import model_inputs, pad_positives
from common.inference import Engine
from common.reach import perfect_scores
from common.spans import best_spans, pair_scores
from common.thresholds import Thresholds
from dataset import Features
from decode import Tokens
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from config import Config


class Gather(Protocol):
    """Looks up the scores of pairs of tokens."""

    def __call__(self, i: np.ndarray, j: np.ndarray, /) -> np.ndarray:
        """Return the scores [labels, n] of the pairs (i, j), int [n] each."""


def batch(features: list[Features], _rng: np.random.Generator, _labels: Labels) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch.

    The targets are the positives (label, i, j) of each of the three pair heads, int32 [batch, p, 3], padded with -1.
    """
    targets = {
        "spans": [feature.spans for feature in features],
        "starts": [feature.links[:, [0, 1, 3]] for feature in features],
        "ends": [feature.links[:, [0, 2, 4]] for feature in features],
    }
    return model_inputs(features), pad_positives(targets)


def count_lost(_features: list[Features], _labels: Labels) -> dict[str, int]:
    """Return no counts. This head can learn all spans, also those that overlap."""
    return {}


def build(encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
    """Build the model, which turns token_ids [batch, length] into the factors of the three pair heads."""
    from common.heads import hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    return LossModel({"token_ids": token_ids}, score(hidden, mask, labels), seed=seed)


def score(hidden: "tf.Tensor", mask: "tf.Tensor", labels: Labels) -> dict[str, tuple]:
    """Compute the factors of the three pair heads, by name, from hidden states [batch, length, size] and their mask."""
    from common.heads import PairHead

    return {
        "spans": PairHead(len(labels), name="spans")(hidden, mask=mask),
        "starts": PairHead(len(labels), upper_triangle=False, name="starts")(hidden, mask=mask),
        "ends": PairHead(len(labels), upper_triangle=False, name="ends")(hidden, mask=mask),
    }


def rates(_config: "Config") -> dict[str, float]:
    """Return factors for the learning rate by the names of layers. This head needs none."""
    return {}


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.losses import pair_heads_loss

    return pair_heads_loss(targets, outputs)


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    return {"pair": model}


class Extractor:
    """Finds the spans and links of each window of a batch, as in `Features`."""

    step = 0.5

    def __init__(self, engines: dict[str, Engine], labels: Labels):
        self.engines, self.labels, self.thresholds = engines, labels, {"spans": -0.5, "links": -0.5}

    def __call__(self, features: list[Features]) -> Iterator[Tokens]:
        outputs = self.engines["pair"](model_inputs(features))
        for row, feature in enumerate(features):
            factors = {name: tuple(factor[row] for factor in output) for name, output in outputs.items()}
            yield decode(factors, len(feature.token_ids), self.labels, self.thresholds)


def perfect(feature: Features, labels: Labels) -> Tokens:
    """Find what the extractor finds in a window if all scores are right."""
    _, targets = batch([feature], np.random.default_rng(0), labels)
    size = len(labels), len(feature.token_ids)
    starts, ends = (perfect_scores(targets[name][0], *size) for name in ("starts", "ends"))
    return feature.spans, find_links(feature.spans, starts, ends, labels, threshold=0.5)


def decode(factors: dict[str, tuple], length: int, labels: Labels, thresholds: Thresholds) -> Tokens:
    """Find the spans and links of a window.

    Args:
        factors: for each of the three pair heads (scores [l, l], row_bias [labels, l], column_bias [labels, l]).
        length: tokens of the window without its padding.
        labels: the labels of spans and links.
        thresholds: spans count if they score above `spans`, and pairs of first tokens and pairs of last tokens if they
            score above `links`.
    """
    spans = best_spans(factors["spans"], length, thresholds["spans"])
    return spans, score_links(spans, factors, labels, thresholds["links"])


def score_links(spans: np.ndarray, factors: dict[str, tuple], labels: Labels, threshold: float) -> np.ndarray:
    """Find the links between the spans of a window by its factors, see `find_links`."""
    starts, ends = (partial(pair_scores, factors[name]) for name in ("starts", "ends"))
    return find_links(spans, starts, ends, labels, threshold)


def find_links(spans: np.ndarray, starts: Gather, ends: Gather, labels: Labels, threshold: float) -> np.ndarray:
    """Link the triggers among the spans to arguments of the same event type.

    There is a link if the pair of first tokens and the pair of last tokens both score above the threshold for the label
    of the argument.

    Args:
        spans: triggers and arguments, int [s, 3] of (label, first token, last token).
        starts: looks up the scores of pairs of first tokens.
        ends: looks up the scores of pairs of last tokens.
        labels: the labels of spans and links.
        threshold: what both pairs of tokens must score above.

    Returns:
        The links, int [k, 5], as in `Features`.
    """
    is_trigger = labels.trigger[spans[:, 0]] == spans[:, 0]
    triggers, arguments = spans[is_trigger], spans[~is_trigger]
    t, a = np.nonzero(triggers[:, :1] == labels.trigger[arguments[:, 0]])
    label, pair = arguments[a, 0], np.arange(len(a))
    linked = (starts(triggers[t, 1], arguments[a, 1])[label, pair] > threshold) & (
        ends(triggers[t, 2], arguments[a, 2])[label, pair] > threshold
    )
    return np.column_stack([label, triggers[t, 1:], arguments[a, 1:]])[linked]
