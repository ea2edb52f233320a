"""What an output head is, the table of the heads, and the trained model of a run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

import pair
import pointer
from common.encoder import build_encoder, set_precision
from common.encoder_source import EncoderSource
from common.inference import Engine, start_engines
from common.run_folder import RunFolder
from common.thresholds import HasThresholds
from dataset import Features
from records import Labels

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from common.losses import Weighted
    from config import Config


class Extractor(HasThresholds, Protocol):
    """Finds relations between the tokens of windows. Those that score above its thresholds count."""

    has_ties: bool  # whether it also finds ties

    def __init__(self, engines: dict[str, Engine], labels: Labels, /):
        """Make an extractor with the default thresholds.

        Each engine runs one of the `parts` of the head and has its name. The labels are those that the model was built
        with.
        """

    def __call__(self, features: list[Features]) -> Iterator[np.ndarray]:
        """Yield the relations of each window of a batch: int32 [r, 5] as in `Features.relations`."""


class Head(Protocol):
    """What every output head has. A head is a module, and these are its functions and its class."""

    def batch(self, features: list[Features], rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
        """Make the inputs and the targets of a batch, arrays [batch, ...] by name.

        Args:
            features: the windows of the batch, with their relations.
            rng: draws what is random in the batch.
            labels: the labels of relations and ties.
        """

    def build(self, encoder: "keras.Model", labels: Labels, seed: int) -> "LossModel":
        """Build the model, from the inputs of a batch to outputs, both by name.

        Args:
            encoder: makes hidden states [batch, length, size] of tokens; see `common.encoder.build_encoder`.
            labels: the relations that the model scores.
            seed: decides the dropout of each training step.
        """

    def loss(self, targets: dict, outputs: dict) -> "tf.Tensor | Weighted":
        """Return a loss for each row, float32 [batch], or losses with their weights. `LossModel` takes the mean."""

    def parts(self, model: "LossModel") -> dict[str, "keras.Model"]:
        """Return the models that have to run for the extractor, by name."""

    @property
    def Extractor(self) -> type["Extractor"]:  # noqa: N802
        """The class of the extractor."""

    def perfect(self, feature: Features, labels: Labels, /) -> np.ndarray:
        """Find what the extractor finds in a window if the model makes no mistakes. Other gold is out of reach."""


HEADS: dict[str, Head] = {"pair": pair, "pointer": pointer}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, labels: Labels, engine: str = "auto"
) -> Extractor:
    """Load the extractor of a trained model: in float32, with the default thresholds.

    Args:
        folder: has the weights.
        config: names the head.
        source: has the sizes of the encoder. Its weights are not read, because those of the run include the encoder's.
        labels: the labels that the model was trained with.
        engine: what runs the model: "tensorflow", "openvino" or "auto", see `common.inference.select_engine`.
    """
    from common.weights import load_weights

    set_precision("float32")  # a training may have set another one
    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), labels, config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), labels)
