"""The output heads, one file each, and the trained model of a run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

import pair
import softmax
from common.encoder import EncoderSource, build_encoder
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

    def __call__(self, features: list[Features]) -> Iterator[Candidates]: ...


class Head(Protocol):
    """What the module of every output head has. The docstrings there say more."""

    def batch(self, features: list[Features], rng: np.random.Generator, /) -> tuple[dict, dict]: ...

    def build(self, encoder: "keras.Model", seed: int) -> "LossModel": ...

    def loss(self, targets: dict, outputs: dict) -> "tf.Tensor": ...

    def parts(self, model: "LossModel") -> dict[str, "keras.Model"]: ...

    def Extractor(  # noqa: N802 - the modules have a class of that name
        self, engines: dict[str, Engine], max_answer_tokens: int, n_best: int = 1
    ) -> Extractor: ...


HEADS: dict[str, Head] = {"pair": pair, "softmax": softmax}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, engine: str = "auto", n_best: int = 1
) -> Extractor:
    """Load the extractor of a finished run. Its model computes in float32.

    Args:
        folder: of the run.
        config: of the run.
        source: the encoder of the run, without weights.
        engine: "auto", "tensorflow" or "openvino".
        n_best: the most spans that the extractor returns for a window.
    """
    from common.weights import load_weights

    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), config.max_answer_tokens, n_best)
