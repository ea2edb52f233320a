"""The softmax head, the baseline of 2020: one softmax over first and one over last tokens (kexue.fm/archives/7321)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.inference import Engine
from dataset import Features, model_inputs
from decode import Candidates, n_best_spans

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel


def batch(features: list[Features], rng: np.random.Generator) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch.

    The targets are `span`, int32 [batch, 2]: first and last token of one of the answers, which `rng` draws. A window
    without an answer has [CLS], token 0, as both.
    """
    spans = np.zeros((len(features), 2), np.int32)
    for span, feature in zip(spans, features, strict=True):
        if len(feature.answers):
            span[:] = feature.answers[rng.integers(len(feature.answers))]
    return model_inputs(features), {"span": spans}


def build(encoder: "keras.Model", seed: int) -> "LossModel":
    """Build the model that maps token_ids and segment_ids, int32 [batch, length], to two outputs.

    `logits` float32 [batch, length, 2] score each token as the first and as the last one of the answer. `context` bool
    [batch, length] says which tokens belong to the context.
    """
    import tf_keras as keras

    from common.heads import second_segment_states
    from common.loss_model import LossModel

    inputs, hidden, context = second_segment_states(encoder)
    logits = keras.layers.Dense(2, dtype="float32", name="answers")(hidden)
    return LossModel(inputs, {"logits": logits, "context": context}, seed=seed)


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]: the mean of the cross-entropies of first and last token.

    Both softmaxes run over the tokens of the context and [CLS], which stands for "no answer here".
    """
    import tensorflow as tf

    from common.losses import MASKED

    is_cls = tf.range(tf.shape(outputs["context"])[1]) == 0
    mask = (outputs["context"] | is_cls)[..., None]
    logits = tf.transpose(tf.where(mask, outputs["logits"], MASKED), [0, 2, 1])  # [batch, 2, length]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets["span"], logits), -1)


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    import tf_keras as keras

    return {"softmax": keras.Model(model.input, {"logits": model.output["logits"]})}


class Extractor:
    """Finds the best spans in each window of a batch."""

    def __init__(self, engines: dict[str, Engine], max_answer_tokens: int, n_best: int = 1):
        self.engine, self.width, self.n_best = engines["softmax"], max_answer_tokens, n_best

    def __call__(self, features: list[Features]) -> Iterator[Candidates]:
        outputs = self.engine(model_inputs(features))
        for row, feature in enumerate(features):
            length, context = len(feature.token_ids), feature.offsets[:, 1] > 0
            # Windows are compared by log probabilities, which also depend on the logit of [CLS], "no answer here".
            # Logits of the context alone do not say how likely it is to hold an answer.
            logits = outputs["logits"][row, :length]
            choices = context | (np.arange(length) == 0)
            first, last = (logits - np.logaddexp.reduce(logits[choices])).T
            yield n_best_spans(first[:, None] + last, context, self.width, self.n_best)


def perfect(feature: Features, max_answer_tokens: int) -> Candidates:
    """Find what the extractor finds in a window if all scores are right, for one answer after the other."""
    found = [Candidates(np.zeros((0, 2), int), np.zeros(0))]
    for answer in feature.answers:
        logits = 9.0 * (np.arange(len(feature.token_ids))[None, :, None] == answer)  # [1, length, 2]
        found += Extractor({"softmax": lambda _, logits=logits: {"logits": logits}}, max_answer_tokens)([feature])
    return Candidates(*map(np.concatenate, zip(*found, strict=True)))
