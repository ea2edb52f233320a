"""The CRF head, the baseline of 2020 (kexue.fm/archives/7321). It gives every token a tag, and finds only arguments."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.batching import model_inputs, pad_tokens
from common.inference import Engine
from common.thresholds import Thresholds
from common.viterbi import viterbi
from dataset import Features
from decode import Tokens
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from config import Config


def batch(features: list[Features], _rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch. The targets are `tags`, int32 [batch, length], see `token_tags`."""
    return model_inputs(features), {"tags": pad_tokens([token_tags(feature, labels) for feature in features])}


def token_tags(feature: Features, labels: Labels) -> np.ndarray:
    """Return one tag for each token, int32 [n], that says which argument it belongs to.

    The tag is 0 outside of all arguments. For `labels.arguments[k]` it is 1 + 2 k at the first token of an argument and
    2 + 2 k at the others. If arguments overlap, the one that starts first is kept. If they start together, the longest
    one is kept.
    """
    tags = np.zeros(len(feature.token_ids), np.int32)
    kind = {label: k for k, label in enumerate(labels.arguments)}
    for label, first, last in sorted(feature.spans.tolist(), key=lambda span: (span[1], -span[2], span[0])):
        if label in kind and not tags[first : last + 1].any():
            tags[first], tags[first + 1 : last + 1] = 1 + 2 * kind[label], 2 + 2 * kind[label]
    return tags


def count_lost(features: list[Features], labels: Labels) -> dict[str, int]:
    """Count the arguments that this head cannot learn because they overlap another one and so have no tags."""
    untagged = sum(
        int(np.isin(feature.spans[:, 0], labels.arguments).sum() - (token_tags(feature, labels) % 2).sum())
        for feature in features
    )
    return {"arguments lost: overlap another": untagged}


def build(encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
    """Build the model, which turns token_ids [batch, length] into emissions, transitions and a mask.

    The emissions are [batch, length, tags], the transitions [tags, tags]. The mask, bool [batch, length], is true for
    all tokens but padding.
    """
    from common.heads import hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, _ = hidden_states(encoder)
    return LossModel({"token_ids": token_ids}, score(token_ids, hidden, labels), seed=seed)


def score(token_ids: "tf.Tensor", hidden: "tf.Tensor", labels: Labels) -> dict[str, "tf.Tensor"]:
    """Compute the outputs of the model from tokens [batch, length] and their hidden states [batch, length, size]."""
    import tf_keras as keras

    from common.crf import Transitions

    n_tags = 1 + 2 * len(labels.arguments)
    emissions = keras.layers.Dense(n_tags, dtype="float32", name="emissions")(hidden)
    transitions = Transitions(n_tags, name="transitions")(emissions)
    return {"emissions": emissions, "transitions": transitions, "mask": token_ids != 0}


def rates(config: "Config") -> dict[str, float]:
    """Return factors for the learning rate by the names of layers."""
    return {"transitions": config.crf_learning_rate / config.learning_rate}


def loss(targets: dict, outputs: dict) -> "tf.Tensor":
    """Return a loss for each row, float32 [batch]."""
    from common.crf import crf_loss

    return crf_loss(targets["tags"], outputs["emissions"], outputs["transitions"], outputs["mask"])


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return the models that have to run for the extractor, by name. Its engines have the same names."""
    import tf_keras as keras

    return {"crf": keras.Model(model.input, to_decode(model))}


def to_decode(model: "LossModel") -> dict[str, "tf.Tensor"]:
    """Return the outputs that decoding needs: emissions and transitions."""
    import tensorflow as tf

    transitions = model.output["transitions"]
    # OpenVINO drops an output that no input reaches. So we add a 0 that depends on the input.
    rows = tf.range(transitions.shape[0]) + tf.minimum(model.input["token_ids"][0, 0], 0)
    return {"emissions": model.output["emissions"], "transitions": tf.gather(transitions, rows)}


class Extractor:
    """Finds the arguments in each window of a batch, but no triggers and no links. It has no thresholds."""

    step = 0.0

    def __init__(self, engines: dict[str, Engine], labels: Labels):
        self.engines, self.labels = engines, labels
        self.thresholds: Thresholds = {}

    def __call__(self, features: list[Features]) -> Iterator[Tokens]:
        outputs = self.engines["crf"](model_inputs(features))
        for spans in decode(outputs, np.array([len(feature.token_ids) for feature in features]), self.labels):
            yield spans, np.zeros((0, 5), np.int64)


def perfect(feature: Features, labels: Labels) -> Tokens:
    """Find what the extractor finds in a window if all tags are right."""
    return tag_spans(token_tags(feature, labels), labels), np.zeros((0, 5), np.int64)


def decode(outputs: dict[str, np.ndarray], lengths: np.ndarray, labels: Labels) -> list[np.ndarray]:
    """Find the spans of each window, int [s, 3], by its emissions and the transitions. `lengths` has no padding."""
    return [tag_spans(tags, labels) for tags in viterbi(outputs["emissions"], outputs["transitions"], lengths)]


def tag_spans(tags: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the spans, int [s, 3], that the tags of a window stand for, see `token_tags`.

    An inside tag that does not continue an argument begins one.
    """
    spans: list[list[int]] = []
    before = 0
    for i, tag in enumerate(tags.tolist()):
        if tag % 2 == 0 and tag and before in (tag - 1, tag):
            spans[-1][2] = i
        elif tag:
            spans.append([labels.arguments[(tag - 1) // 2], i, i])
        before = tag
    return np.array(spans, np.int64).reshape(-1, 3)
