"""The output heads, one file each, and the trained model of a run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

import pair
from common.encoder import build_encoder, set_precision
from common.encoder_source import EncoderSource
from common.inference import Engine, start_engines
from common.run_folder import RunFolder
from common.thresholds import HasThresholds
from dataset import Features

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from config import Config


class Extractor(HasThresholds, Protocol):
    """Finds spans in windows, with a trained model."""

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        """Yield the spans of each window of a batch, int [s, 3] of (label, first token, last token)."""


class Head(Protocol):
    """What every output head has. A head is a module, and these are its functions and its class."""

    def batch(self, features: list[Features], rng: np.random.Generator, labels: list[str], /) -> tuple[dict, dict]:
        """Make the inputs and the targets of a batch, arrays [batch, ...] by name.

        Args:
            features: the windows of the batch, with their labels.
            rng: draws what is random in the batch.
            labels: the labels of entities, in the order of their numbers.
        """

    def build(self, encoder: "keras.Model", labels: list[str], seed: int) -> "LossModel":
        """Build the model, from the inputs of a batch to outputs, both by name.

        Args:
            encoder: makes hidden states [batch, length, size] of tokens; see `common.encoder.build_encoder`.
            labels: the labels that the model scores.
            seed: decides the dropout of each training step.
        """

    def loss(self, targets: dict, outputs: dict) -> "tf.Tensor":
        """Return a loss for each row of a batch, float32 [batch]. `LossModel` takes the mean."""

    def parts(self, model: "LossModel") -> dict[str, "keras.Model"]:
        """Return the models that have to run for the extractor, by name. Its engines have the same names."""

    def Extractor(self, engines: dict[str, Engine], labels: list[str], /) -> "Extractor":  # noqa: N802 (a class in modules)
        """Make an extractor with the default thresholds.

        Each engine runs one of the `parts` and has its name. The labels are those that the model was built with.
        """

    def perfect(self, feature: Features, labels: list[str], /) -> np.ndarray:
        """Find what the extractor finds in a window if the model makes no mistakes. Other gold is out of reach."""


HEADS: dict[str, Head] = {"pair": pair}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, labels: list[str], engine: str = "auto"
) -> Extractor:
    """Load the extractor of a trained model: in float32, with the default thresholds.

    Args:
        folder: the folder of the run.
        config: its config.
        source: its encoder.
        labels: its labels.
        engine: "auto", "tensorflow" or "openvino", see `common.inference.select_engine`.
    """
    from common.weights import load_weights

    set_precision("float32")  # a training may have set another one
    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), labels, config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), labels)
