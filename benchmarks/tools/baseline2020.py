"""Predicts relations as the baseline of 2020 does (kexue.fm/archives/7321), to compare with in prediction.py.

It needs the folder `relation_extraction` on the path.
"""

from collections.abc import Iterator

import numpy as np
import tf_keras as keras

import pointer
from common.batching import model_inputs
from common.loss_model import LossModel
from dataset import Features

THRESHOLD = 0.4


class Baseline2020:
    """Predicts the relations of one sentence at a time, with two calls of Keras' `predict`."""

    has_ties = False

    def __init__(self, model: LossModel, subjects: np.ndarray):
        """Split a pointer model in two. `subjects` are numbers of subjects; one is drawn for each sentence."""
        self.subject_model = keras.Model(model.input["token_ids"], model.output["subjects"])
        self.object_model = keras.Model(model.input, model.output["objects"])
        self.subjects, self.rng = subjects, np.random.default_rng(0)

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        (feature,) = features
        inputs = model_inputs(features)
        logits = self.subject_model.predict(inputs["token_ids"], verbose=0)
        probabilities = pointer.sigmoid(logits) ** pointer.SUBJECT_POWER
        pointer.pointer_spans(probabilities[0], THRESHOLD)  # only for its time, as it would find noise
        n = self.rng.choice(self.subjects)
        spans = np.sort(self.rng.integers(len(feature.token_ids), size=(n, 2)), axis=1).astype(np.int32)
        relations = [np.zeros((0, 5), np.int32)]
        if n:
            repeated = {"token_ids": np.repeat(inputs["token_ids"], n, axis=0), "subject": spans}
            logits = self.object_model.predict(repeated, verbose=0)
            probabilities = pointer.sigmoid(logits) ** pointer.OBJECT_POWER
            relations += [pointer.object_relations(s, p, THRESHOLD) for s, p in zip(spans, probabilities, strict=True)]
        yield np.concatenate(relations)
