"""The pair head: an efficient GlobalPointer (common/heads.py). It scores the first and last token of an entity."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.batching import model_inputs, pad_positives
from common.inference import Engine
from common.spans import best_spans
from dataset import Features

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel


def batch(features: list[Features], _rng: np.random.Generator, _labels: list[str]) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch.

    The targets are the positives, int32 [batch, p, 3] of (label, first token, last token), padded with -1.
    """
    return model_inputs(features), pad_positives({"spans": [feature.spans for feature in features]})


def build(encoder: "keras.Model", labels: list[str], seed: int) -> "LossModel":
    """Build the model, which turns token_ids, int32 [batch, length], into the factors of the head."""
    from common.heads import PairHead, hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    outputs = {"spans": PairHead(len(labels), name="spans")(hidden, mask=mask)}
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.losses import pair_heads_loss

    return pair_heads_loss(targets, outputs)


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    return {"pair": model}


class Extractor:
    """Finds the spans of each window of a batch, int [s, 3] of (label, first token, last token)."""

    step = 0.5

    def __init__(self, engines: dict[str, Engine], _labels: list[str]):
        self.engines, self.thresholds = engines, {"spans": -0.5}

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.engines["pair"](model_inputs(features))
        for row, feature in enumerate(features):
            factors = tuple(factor[row] for factor in outputs["spans"])
            yield best_spans(factors, len(feature.token_ids), self.thresholds["spans"])


def perfect(feature: Features, _labels: list[str]) -> np.ndarray:
    """Find what the extractor finds in a window if all scores are right: every span of gold."""
    return feature.spans
