"""The pointer head, the baseline of 2020 (kexue.fm/archives/7321). `Head` in model.py says what each function is for.

A pointer gives each token two probabilities: that a span starts there, and that it ends there. One pointer finds the
subjects. For one given subject, a pointer for each relation finds its objects, from hidden states that depend on the
subject through conditional layer normalisation. This head finds no ties between the slots of an object.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.batching import model_inputs
from common.inference import Engine
from common.spans import MAX_SPANS
from dataset import Features
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from common.losses import Weighted

# A probability is sigmoid(logit) ** power. Nearly all tokens are negatives, so probabilities should start low. With
# these powers they start at 0.25 and 0.06 instead of 0.5 (kexue.fm/archives/7161).
SUBJECT_POWER, OBJECT_POWER = 2, 4


def batch(features: list[Features], rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch: all subjects, and the objects of one subject of each window.

    `rng` draws this subject. The inputs are `token_ids`, int32 [batch, length], and `subject`, int32 [batch, 2], the
    first and last token of the drawn subject, or (0, 0), the place of [CLS], if the window has none. The targets are
    `subjects`, float32 [batch, length, 2], and `objects`, float32 [batch, length, 2 * relations]: the starts of all
    relations, then their ends. Targets are 1 where a span starts or ends, and 0 elsewhere.
    """
    inputs = model_inputs(features)
    shape, n = inputs["token_ids"].shape, len(labels.relations)
    inputs["subject"] = np.zeros((shape[0], 2), np.int32)
    subjects, objects = np.zeros((*shape, 2), np.float32), np.zeros((*shape, 2 * n), np.float32)
    for row, feature in enumerate(features):
        relations = feature.relations[feature.relations[:, 0] < n]
        if not len(relations):
            continue
        spans = np.unique(relations[:, 1:3], axis=0)
        inputs["subject"][row] = spans[rng.integers(len(spans))]
        _point_at_subjects(subjects[row], relations)
        _point_at_objects(objects[row], relations, inputs["subject"][row])
    return inputs, {"subjects": subjects, "objects": objects}


def _point_at_subjects(targets: np.ndarray, relations: np.ndarray) -> None:
    """Set the targets of a window's subjects, [length, 2]."""
    targets[relations[:, 1], 0] = 1
    targets[relations[:, 2], 1] = 1


def _point_at_objects(targets: np.ndarray, relations: np.ndarray, subject: np.ndarray) -> None:
    """Set the targets of the objects of one subject of a window, [length, 2 * relations]."""
    label, _, _, first, last = relations[(relations[:, 1:3] == subject).all(1)].T
    targets[first, label] = 1
    targets[last, targets.shape[1] // 2 + label] = 1


def build(encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
    """Build the model, which finds the subjects of a text and the objects of a given subject.

    Its inputs are `token_ids` int32 [batch, length] and `subject` int32 [batch, 2]. Its outputs are the logits of
    `subjects` [batch, length, 2] and of `objects` [batch, length, 2 * relations], and the `mask` of the text, bool
    [batch, length]. The layer `objects` is a model of its own, so that prediction runs the encoder only once.
    """
    import tf_keras as keras

    from common.heads import hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    subject = keras.Input([2], dtype="int32", name="subject")
    subjects = keras.layers.Dense(2, dtype="float32", name="subject_pointers")(hidden)
    objects = _object_model(hidden.shape[-1], len(labels.relations))
    outputs = {"subjects": subjects, "objects": objects([hidden, subject]), "mask": mask}
    return LossModel({"token_ids": token_ids, "subject": subject}, outputs, seed=seed)


def _object_model(size: int, n_relations: int) -> "keras.Model":
    """Build the model that finds the objects of a subject.

    Its inputs are hidden states [batch, length, size] and the first and last token of a subject in each row, int32
    [batch, 2]. Its outputs are logits [batch, length, 2 * relations].
    """
    import tensorflow as tf
    import tf_keras as keras

    from common.conditional import ConditionalLayerNormalization

    hidden = keras.Input([None, size], name="hidden")
    subject = keras.Input([2], dtype="int32", name="subject")
    first_and_last = tf.gather(hidden, subject, batch_dims=1)
    condition = keras.layers.Flatten()(first_and_last)
    conditioned = ConditionalLayerNormalization(name="subject_condition")(hidden, condition=condition)
    logits = keras.layers.Dense(2 * n_relations, dtype="float32", name="object_pointers")(conditioned)
    return keras.Model([hidden, subject], logits, name="objects")


def loss(targets: dict, outputs: dict) -> "Weighted":
    """Return a loss for each token and its weight, which is the mask of the text, both [batch, length].

    The binary cross-entropies of start and end are averaged for each pointer, and added up over the pointers.
    """
    from common.losses import Weighted

    subjects = _crossentropy(targets["subjects"], outputs["subjects"], SUBJECT_POWER)
    objects = _crossentropy(targets["objects"], outputs["objects"], OBJECT_POWER)
    return Weighted(subjects + objects, outputs["mask"])


def _crossentropy(targets: "tf.Tensor", logits: "tf.Tensor", power: int) -> "tf.Tensor":
    """Return the loss float32 [batch, length] for targets in {0, 1} and logits, both [batch, length, 2 * pointers]."""
    import tensorflow as tf

    from common.losses import TINY

    log_p = power * tf.math.log_sigmoid(tf.cast(logits, tf.float32))
    log_not_p = tf.math.log(tf.maximum(-tf.math.expm1(log_p), TINY))
    return tf.reduce_sum(-tf.where(tf.cast(targets, tf.bool), log_p, log_not_p), -1) / 2


def parts(model: "LossModel") -> dict[str, "keras.Model"]:
    """Return two models by name.

    `subjects` computes hidden states and subject logits. `objects` computes the object logits of one subject in each
    row from hidden states.
    """
    import tf_keras as keras

    subjects = model.get_layer("subject_pointers")
    inputs, outputs = {"token_ids": model.input["token_ids"]}, {"hidden": subjects.input, "subjects": subjects.output}
    return {"subjects": keras.Model(inputs, outputs), "objects": model.get_layer("objects")}


class Extractor:
    """Finds the relations of each window of a batch: int32 [r, 5] as in `Features.relations`.

    The encoder runs once and finds the subjects of all windows. Then `objects` runs on groups of subjects, each with as
    many subjects as the batch has windows.
    """

    has_ties = False
    step = 0.04

    def __init__(self, engines: dict[str, Engine], _labels: Labels):
        self.engines = engines
        self.thresholds = {"subjects": 0.4, "objects": 0.4}  # for the probabilities of their starts and ends

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.engines["subjects"](model_inputs(features))
        probabilities = sigmoid(outputs["subjects"]) ** SUBJECT_POWER
        lengths = [len(feature.token_ids) for feature in features]
        subjects = [
            pointer_spans(p[:n], self.thresholds["subjects"]) for p, n in zip(probabilities, lengths, strict=True)
        ]
        rows = np.repeat(np.arange(len(features)), [len(spans) for spans in subjects])
        relations = [[np.zeros((0, 5), np.int32)] for _ in features]
        spans = np.concatenate(subjects).astype(np.int32)
        for start in range(0, len(rows), len(features)):
            part = slice(start, start + len(features))
            logits = self.engines["objects"]({"hidden": outputs["hidden"][rows[part]], "subject": spans[part]})
            for row, subject, p in zip(rows[part], spans[part], sigmoid(logits) ** OBJECT_POWER, strict=True):
                relations[row].append(object_relations(subject, p[: lengths[row]], self.thresholds["objects"]))
        return map(np.concatenate, relations)


def perfect(feature: Features, labels: Labels) -> np.ndarray:
    """Find what the extractor finds in a window if all pointers are right: int32 [r, 5]."""
    length, n = len(feature.token_ids), len(labels.relations)
    relations = feature.relations[feature.relations[:, 0] < n]
    subjects = np.zeros((length, 2))
    _point_at_subjects(subjects, relations)
    found = [np.zeros((0, 5), np.int32)]
    for subject in pointer_spans(subjects, 0.5):
        objects = np.zeros((length, 2 * n))
        _point_at_objects(objects, relations, subject)
        found.append(object_relations(subject, objects, 0.5))
    return np.concatenate(found)


def pointer_spans(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Find the spans of a pointer, int [n, 2] of first and last tokens, at most `MAX_SPANS`.

    `probabilities` [length, 2] are those of starts and of ends. Tokens above the threshold are starts and ends. Each
    start is paired with the first end at or after it. A start without one is dropped, and several starts may share an
    end.

    >>> probabilities = np.zeros((6, 2))
    >>> probabilities[[1, 4], 0] = probabilities[[2, 3, 5], 1] = 0.9
    >>> pointer_spans(probabilities, 0.5).tolist()
    [[1, 2], [4, 5]]
    """
    starts = np.flatnonzero(probabilities[:, 0] > threshold)
    ends = np.flatnonzero(probabilities[:, 1] > threshold)
    nearest = np.searchsorted(ends, starts)
    found = nearest < len(ends)
    return np.column_stack([starts[found], ends[nearest[found]]])[:MAX_SPANS]


def object_relations(subject: np.ndarray, probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Find the relations of one subject: int32 [r, 5].

    Args:
        subject: its first and last token, int [2].
        probabilities: of the object pointers, [length, 2 * relations], starts before ends.
        threshold: starts and ends count if their probability is above it.
    """
    n = probabilities.shape[1] // 2
    relations = []
    for label in np.flatnonzero((probabilities[:, :n] > threshold).any(0)):
        for span in pointer_spans(probabilities[:, [label, n + label]], threshold):
            relations.append((label, *subject, *span))
    return np.array(relations, np.int32).reshape(-1, 5)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-x)) without an overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
