"""The output heads, one file each, and the trained model of a run."""

from typing import TYPE_CHECKING, Any

import pair
import pointer
from common.encoder import EncoderSource, build_encoder
from common.inference import start_engines
from common.run_folder import RunFolder, read_threshold
from records import Labels

if TYPE_CHECKING:
    from config import Config

HEADS = {"pair": pair, "pointer": pointer}


def load_extractor(
    folder: RunFolder, config: "Config", source: EncoderSource, labels: Labels, engine: str = "auto"
) -> Any:
    """Loads the extractor of a finished run: its model in float32, with the threshold that training chose."""
    from common.weights import load_weights

    head = HEADS[config.head]
    model = head.build(build_encoder(source.architecture, config.seed), labels, config.seed)
    load_weights(model, folder.weights)
    return head.Extractor(start_engines(head.parts(model), engine), labels, read_threshold(folder))
