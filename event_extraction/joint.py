"""The joint head: the pair head and the CRF on one encoder. An argument that both find needs a lower score.

The CRF learns faster, and the pair head finds arguments that overlap. Triggers and links are those of the pair head.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import crf
import pair
from common.batching import model_inputs
from common.inference import Engine
from common.spans import best_spans, pair_scores
from dataset import Features
from decode import Tokens
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel

PAIRS = ("spans", "starts", "ends")
LINKS = 2 / 3  # the weight of their loss; those of spans and tags, which the official metric counts, have 1

count_lost, rates, perfect = pair.count_lost, crf.rates, pair.perfect


def batch(features: list[Features], rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Make the inputs and the targets of a batch: those of the pair head and those of the CRF."""
    inputs, targets = pair.batch(features, rng, labels)
    return inputs, targets | crf.batch(features, rng, labels)[1]


def build(encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
    """Build the model, which has the outputs of both heads."""
    from common.heads import hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    outputs = pair.score(hidden, mask, labels) | crf.score(token_ids, hidden, labels)
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.losses import pair_heads_loss

    spans = pair_heads_loss(targets, {"spans": outputs["spans"]})
    links = pair_heads_loss(targets, {name: outputs[name] for name in ("starts", "ends")})
    return spans + LINKS * links + crf.loss(targets, outputs)


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    import tf_keras as keras

    return {"joint": keras.Model(model.input, {name: model.output[name] for name in PAIRS} | crf.to_decode(model))}


def tagging(engine: Engine, labels: Labels) -> Engine:
    """Return an engine that gives the spans of the CRF, int [t, 3] for each row, instead of emissions and transitions.

    No threshold changes them. So a remembering engine around this one spares the CRF's decoding as well.
    """

    def run(inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        outputs = engine(inputs)
        tagged = crf.decode(outputs, (inputs["token_ids"] != 0).sum(1), labels)
        return {name: outputs[name] for name in PAIRS} | {"tagged": tagged}

    return run


class Extractor:
    """Finds the spans and links of each window of a batch, as in `Features`."""

    step = 0.5

    def __init__(self, engines: dict[str, Engine], labels: Labels):
        self.engines, self.labels = {"joint": tagging(engines["joint"], labels)}, labels
        self.thresholds = {"spans": 0.5, "tagged": -4.0, "links": -0.5}

    def __call__(self, features: list[Features]) -> Iterator[Tokens]:
        outputs = self.engines["joint"](model_inputs(features))
        for row, feature in enumerate(features):
            factors = {name: tuple(factor[row] for factor in outputs[name]) for name in PAIRS}
            spans = self.find_spans(factors["spans"], len(feature.token_ids), outputs["tagged"][row])
            yield spans, pair.score_links(spans, factors, self.labels, self.thresholds["links"])

    def find_spans(self, factors: tuple, length: int, tagged: np.ndarray) -> np.ndarray:
        """Find the spans of a window: those above the threshold of `spans`, or of `tagged` if the CRF has them as well.

        Args:
            factors: those of the pair head of spans.
            length: tokens of the window without its padding.
            tagged: the spans of the CRF, int [t, 3].
        """
        spans = best_spans(factors, length, self.thresholds["spans"])
        only_here = ~(spans[:, None] == tagged).all(-1).any(-1)
        scores = pair_scores(factors, tagged[:, 1], tagged[:, 2])[tagged[:, 0], np.arange(len(tagged))]
        return np.concatenate([spans[only_here], tagged[scores > self.thresholds["tagged"]]])
