"""The output heads, one file each, and the trained model of a run."""

from typing import TYPE_CHECKING, Any

import pair
import softmax
from common.encoder import EncoderSource, build_encoder
from common.inference import start_engines
from common.run_folder import RunFolder

if TYPE_CHECKING:
    from config import Config

HEADS = {"pair": pair, "softmax": softmax}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, engine: str = "auto", n_best: int = 1
) -> Any:
    """Loads the extractor of a finished run: its model in float32."""
    from common.weights import load_weights

    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), config.max_answer_tokens, n_best)
