"""Encoder + heads + loss."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.batching import model_inputs
from common.encoder import EncoderSource, build_encoder
from common.heads import ConditionalLayerNormalization, PairHead, hidden_states
from common.inference import select_engine
from common.losses import pair_heads_loss, pointer_crossentropy
from common.run_folder import RunFolder, read_threshold
from common.training import LossModel, load_weights
from config import Config
from dataset import Features, Labels
from decode import decode_pair, object_relations, pointer_spans

# powers of the sigmoid in the pointer head: subjects, objects
SUBJECT_POWER, OBJECT_POWER = 2, 4


def build_model(head: str, encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The model of a head, "pair" or "pointer", on top of an encoder [token ids, segment ids] -> hidden states."""
    return {"pair": pair_model, "pointer": pointer_model}[head](encoder, labels, seed)


def pair_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """token_ids [batch, length] -> factors of three pair heads: the spans of subjects and objects, and for every
    relation and tie the pairs of their first and of their last tokens."""
    token_ids, hidden, mask = hidden_states(encoder)
    outputs = {
        "entities": PairHead(2, name="entities")(hidden, mask=mask),
        "heads": PairHead(len(labels), upper_triangle=False, name="heads")(hidden, mask=mask),
        "tails": PairHead(len(labels), upper_triangle=False, name="tails")(hidden, mask=mask),
    }
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def pointer_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The 2020 baseline: token_ids, subject [batch, 2] -> logits of the subjects' starts and ends
    [batch, length, 2], and of the objects of the given subject [batch, length, 2 * relations].

    The layers `subjects` and `objects` are models of their own, so that prediction runs the encoder once.
    """
    token_ids, hidden, mask = hidden_states(encoder)
    subject = keras.Input([2], dtype="int32", name="subject")
    subjects = keras.layers.Dense(2, dtype="float32", name="subject_pointers")(hidden)
    objects = object_model(hidden.shape[-1], len(labels.relations))
    outputs = {"subjects": subjects, "objects": objects([hidden, subject]), "mask": mask}
    return LossModel({"token_ids": token_ids, "subject": subject}, outputs, seed=seed)


def object_model(size: int, relations: int) -> keras.Model:
    """Hidden states [batch, length, size], subject [batch, 2] -> logits [batch, length, 2 * relations]."""
    hidden = keras.Input([None, size], name="hidden")
    subject = keras.Input([2], dtype="int32", name="subject")
    first_and_last = tf.gather(hidden, subject, batch_dims=1)
    condition = keras.layers.Flatten()(first_and_last)
    conditioned = ConditionalLayerNormalization(name="subject_condition")(hidden, condition=condition)
    logits = keras.layers.Dense(2 * relations, dtype="float32", name="object_pointers")(conditioned)
    return keras.Model([hidden, subject], logits, name="objects")


def pointer_loss(labels: dict, outputs: dict) -> tf.Tensor:
    return sum(
        pointer_crossentropy(labels[name], outputs[name], power, outputs["mask"])
        for name, power in [("subjects", SUBJECT_POWER), ("objects", OBJECT_POWER)]
    )


LOSSES = {"pair": pair_heads_loss, "pointer": pointer_loss}


class PairExtractor:
    """Features of a batch -> relations between tokens, with the pair head."""

    default_threshold = 0.0
    thresholds = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # to choose from

    def __init__(self, model: LossModel, labels: Labels, engine: Callable, threshold: float = default_threshold):
        self.run, self.labels, self.threshold = engine(model), labels, threshold

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.run(model_inputs(features))
        for row, feature in enumerate(features):
            factors = {name: [factor[row] for factor in head] for name, head in outputs.items()}
            yield decode_pair(factors, len(feature.token_ids), self.labels, self.threshold)


class PointerExtractor:
    """The same with the pointer head: one pass for the subjects of a batch, one for the objects of all of them."""

    default_threshold = 0.4
    thresholds = (0.2, 0.3, 0.4, 0.5, 0.6)

    def __init__(self, model: LossModel, labels: Labels, engine: Callable, threshold: float = default_threshold):
        self.threshold = threshold
        inputs = {"token_ids": model.input["token_ids"]}
        subjects = model.get_layer("subject_pointers")
        self.find_subjects = engine(keras.Model(inputs, {"hidden": subjects.input, "subjects": subjects.output}))
        self.find_objects = engine(model.get_layer("objects"))

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.find_subjects(model_inputs(features))
        probabilities = sigmoid(outputs["subjects"]) ** SUBJECT_POWER
        lengths = [len(feature.token_ids) for feature in features]
        subjects = [pointer_spans(p[:n], self.threshold) for p, n in zip(probabilities, lengths, strict=True)]
        rows = np.repeat(np.arange(len(features)), [len(spans) for spans in subjects])
        relations = [[np.zeros((0, 5), np.int32)] for _ in features]
        spans = np.concatenate(subjects).astype(np.int32)
        for start in range(0, len(rows), len(features)):
            part = slice(start, start + len(features))
            logits = self.find_objects({"hidden": outputs["hidden"][rows[part]], "subject": spans[part]})
            for row, subject, p in zip(rows[part], spans[part], sigmoid(logits) ** OBJECT_POWER, strict=True):
                relations[row].append(object_relations(subject, p[: lengths[row]], self.threshold))
        return map(np.concatenate, relations)


EXTRACTORS = {"pair": PairExtractor, "pointer": PointerExtractor}


def load_extractor(
    folder: RunFolder, config: Config, source: EncoderSource, labels: Labels, engine: str = "auto"
) -> PairExtractor | PointerExtractor:
    """The trained model of a run with its chosen threshold, in float32."""
    encoder = build_encoder(source.architecture, config.seed)
    model = build_model(config.head, encoder, labels, config.seed)
    load_weights(model, folder.weights)
    return EXTRACTORS[config.head](model, labels, select_engine(engine), read_threshold(folder))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
