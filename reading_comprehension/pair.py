"""The pair head: one efficient GlobalPointer (common/heads.py) scores first and last token of an answer together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.batching import pad_positives
from common.inference import Engine
from dataset import Features, model_inputs
from decode import Candidates, n_best_spans

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel


def batch(features: list[Features], _rng: np.random.Generator) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch.

    The targets are `answers`, int32 [batch, a, 3] of (0, first, last), padded with -1. All occurrences of all answers
    are positives at once. A window without an answer has no positives.
    """
    answers = [np.insert(feature.answers, 0, 0, axis=1) for feature in features]
    return model_inputs(features), pad_positives({"answers": answers})


def build(encoder: "keras.Model", seed: int) -> "LossModel":
    """Build the model that maps token_ids and segment_ids, int32 [batch, length], to the factors of the head."""
    from common.heads import PairHead, second_segment_states
    from common.loss_model import LossModel

    inputs, hidden, context = second_segment_states(encoder)
    return LossModel(inputs, {"answers": PairHead(1, name="answers")(hidden, mask=context)}, seed=seed)


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.losses import factored_multilabel_crossentropy

    return factored_multilabel_crossentropy(targets["answers"], *outputs["answers"])[:, 0]


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    return {"pair": model}


class Extractor:
    """Finds the best spans in each window of a batch."""

    def __init__(self, engines: dict[str, Engine], max_answer_tokens: int, n_best: int = 1):
        self.engine, self.width, self.n_best = engines["pair"], max_answer_tokens, n_best

    def __call__(self, features: list[Features]) -> Iterator[Candidates]:
        outputs = self.engine(model_inputs(features))
        for row, feature in enumerate(features):
            length = len(feature.token_ids)
            scores, row_bias, column_bias = (factor[row] for factor in outputs["answers"])
            scores = scores[:length, :length] + row_bias[0, :length, None] + column_bias[0, :length]
            yield n_best_spans(scores, feature.offsets[:, 1] > 0, self.width, self.n_best)


def perfect(feature: Features, max_answer_tokens: int) -> Candidates:
    """Find what the extractor finds in a window if all scores are right, as many spans as there are answers."""
    n, length = len(feature.answers), len(feature.token_ids)
    scores, bias = np.zeros((1, length, length)), np.zeros((1, 1, length))
    scores[0, feature.answers[:, 0], feature.answers[:, 1]] = 1
    (found,) = Extractor({"pair": lambda _: {"answers": (scores, bias, bias)}}, max_answer_tokens, n)([feature])
    return found
