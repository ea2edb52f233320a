"""The output heads, one file each, and the trained model of a run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

import pair
import softmax
from common.encoder import build_encoder, set_precision
from common.encoder_source import EncoderSource
from common.inference import Engine, start_engines
from common.run_folder import RunFolder
from dataset import Features
from decode import Candidates

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from common.loss_model import LossModel
    from config import Config


class Extractor(Protocol):
    """Finds the best spans in each window of a batch."""

    def __call__(self, features: list[Features]) -> Iterator[Candidates]:
        """Yield the best spans of each window of a batch, best first."""


class Head(Protocol):
    """What every output head has. A head is a module, and these are its functions and its class."""

    def batch(self, features: list[Features], rng: np.random.Generator, /) -> tuple[dict, dict]:
        """Make the inputs and targets of a batch, arrays [batch, ...] by name. What is random comes from `rng`."""

    def build(self, encoder: "keras.Model", seed: int) -> "LossModel":
        """Build the model on top of an encoder. The dropout of each training step depends on the seed."""

    def loss(self, targets: dict, outputs: dict) -> "tf.Tensor":
        """Return a loss for each row of a batch, float32 [batch]. `LossModel` takes their mean."""

    def parts(self, model: "LossModel") -> dict[str, "keras.Model"]:
        """Return the models that have to run for the extractor, by name."""

    def Extractor(  # noqa: N802 - in the module it is a class
        self, engines: dict[str, Engine], max_answer_tokens: int, n_best: int = 1
    ) -> Extractor:
        """Make an extractor.

        Args:
            engines: each runs one of the `parts` and has its name.
            max_answer_tokens: the most tokens of a span.
            n_best: the most spans of a window.
        """

    def perfect(self, feature: Features, max_answer_tokens: int, /) -> Candidates:
        """Find what the extractor finds in a window if the model makes no mistakes. Other gold is out of reach."""


HEADS: dict[str, Head] = {"pair": pair, "softmax": softmax}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, engine: str = "auto", n_best: int = 1
) -> Extractor:
    """Load the extractor of a trained model, which computes in float32.

    Args:
        folder: the folder of the run.
        config: the config of the run.
        source: the encoder of the run. Its weights are not read, as those of the run contain them.
        engine: what runs the model: "tensorflow", "openvino" or "auto", see `common.inference.select_engine`.
        n_best: the most spans that the extractor returns for a window.
    """
    from common.weights import load_weights

    set_precision("float32")  # a training may have set another one
    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), config.max_answer_tokens, n_best)
