"""Encoder + head + loss."""

from collections.abc import Callable, Iterator

import numpy as np
import tf_keras as keras

from common.batching import model_inputs
from common.encoder import EncoderSource, build_encoder
from common.heads import PairHead, hidden_states
from common.inference import select_engine
from common.run_folder import RunFolder, read_threshold
from common.spans import best_spans
from common.training import LossModel, load_weights
from config import Config
from dataset import Features


def build_model(encoder: keras.Model, labels: list[str], seed: int) -> LossModel:
    """token_ids [batch, length] -> factors of a pair head: for every label the first and the last token of entities."""
    token_ids, hidden, mask = hidden_states(encoder)
    outputs = {"entities": PairHead(len(labels), name="entities")(hidden, mask=mask)}
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


class Extractor:
    """Features of a batch -> the spans of each, int [s, 3] of (label, first, last token)."""

    default_threshold = 0.0
    thresholds = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # to choose from

    def __init__(self, model: LossModel, engine: Callable, threshold: float = default_threshold):
        self.run, self.threshold = engine(model), threshold

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        outputs = self.run(model_inputs(features))
        for row, feature in enumerate(features):
            factors = [factor[row] for factor in outputs["entities"]]
            yield best_spans(factors, len(feature.token_ids), self.threshold)


def load_extractor(
    folder: RunFolder, config: Config, source: EncoderSource, labels: list[str], engine: str = "auto"
) -> Extractor:
    """The trained model of a run with its chosen threshold, in float32."""
    encoder = build_encoder(source.architecture, config.seed)
    model = build_model(encoder, labels, config.seed)
    load_weights(model, folder.weights)
    return Extractor(model, select_engine(engine), read_threshold(folder))
