"""Encoder + heads + loss."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.batching import model_inputs
from common.crf import Transitions, crf_loss, viterbi
from common.encoder import EncoderSource, build_encoder
from common.heads import PairHead, hidden_states
from common.inference import select_engine
from common.losses import batch_mean, pair_heads_loss
from common.run_folder import RunFolder, read_threshold
from common.training import LossModel, load_weights
from config import Config
from dataset import Features, Labels
from decode import Tokens, decode_pair, tag_spans


def build_model(head: str, encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The model of a head, "pair" or "crf", on top of an encoder [token ids, segment ids] -> hidden states."""
    return {"pair": pair_model, "crf": crf_model}[head](encoder, labels, seed)


def pair_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """token_ids [batch, length] -> factors of three pair heads: the spans of triggers and arguments, and for every
    argument label the pairs of first and of last tokens of a trigger and an argument of it."""
    token_ids, hidden, mask = hidden_states(encoder)
    outputs = {
        "entities": PairHead(len(labels), name="entities")(hidden, mask=mask),
        "heads": PairHead(len(labels), upper_triangle=False, name="heads")(hidden, mask=mask),
        "tails": PairHead(len(labels), upper_triangle=False, name="tails")(hidden, mask=mask),
    }
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def crf_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The 2020 baseline: token_ids -> emissions [batch, length, tags] of the tags of `dataset.token_tags`, the
    transitions [tags, tags] and a mask bool [batch, length], true for all tokens but padding."""
    token_ids, hidden, _ = hidden_states(encoder)
    tags = 1 + 2 * len(labels.arguments)
    emissions = keras.layers.Dense(tags, dtype="float32", name="emissions")(hidden)
    transitions = Transitions(tags, name="transitions")(emissions)
    outputs = {"emissions": emissions, "transitions": transitions, "mask": token_ids != 0}
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def crf_head_loss(labels: dict, outputs: dict) -> tf.Tensor:
    return batch_mean(crf_loss(labels["tags"], **outputs))


LOSSES = {"pair": pair_heads_loss, "crf": crf_head_loss}


class PairExtractor:
    """Features of a batch -> spans and links between tokens, with the pair head."""

    default_threshold = 0.0
    thresholds = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # to choose from

    def __init__(self, model: LossModel, labels: Labels, engine: Callable, threshold: float = default_threshold):
        self.run, self.labels, self.threshold = engine(model), labels, threshold

    def __call__(self, features: list[Features]) -> Iterator[Tokens]:
        outputs = self.run(model_inputs(features))
        for row, feature in enumerate(features):
            factors = {name: [factor[row] for factor in head] for name, head in outputs.items()}
            yield decode_pair(factors, len(feature.token_ids), self.labels, self.threshold)


class CrfExtractor:
    """The same with the CRF, which finds arguments alone and has no threshold."""

    default_threshold = None
    thresholds = ()

    def __init__(self, model: LossModel, labels: Labels, engine: Callable, threshold: None = None):
        self.labels, self.threshold = labels, threshold
        self.run = engine(keras.Model(model.input, {"emissions": model.output["emissions"]}))
        self.transitions = model.get_layer("transitions")

    def __call__(self, features: list[Features]) -> Iterator[Tokens]:
        emissions = self.run(model_inputs(features))["emissions"]
        lengths = np.array([len(feature.token_ids) for feature in features])
        for tags in viterbi(emissions, self.transitions.weights[0].numpy(), lengths):
            yield tag_spans(tags, self.labels), np.zeros((0, 5), np.int64)


EXTRACTORS = {"pair": PairExtractor, "crf": CrfExtractor}


def load_extractor(
    folder: RunFolder, config: Config, source: EncoderSource, labels: Labels, engine: str = "auto"
) -> PairExtractor | CrfExtractor:
    """The trained model of a run with its chosen threshold, in float32."""
    encoder = build_encoder(source.architecture, config.seed)
    model = build_model(config.head, encoder, labels, config.seed)
    load_weights(model, folder.weights)
    return EXTRACTORS[config.head](model, labels, select_engine(engine), read_threshold(folder))
