"""What is known of encoders: their kinds, and how bert4keras names their layers. No TensorFlow here."""

import re
from collections.abc import Container
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What goes with a `model_type` of published configs."""

    builder: str  # the class in common/bert.py
    transformers: str  # what the names of its classes in transformers begin with
    has_positions: bool  # a table of positions, whose size bounds the length of a text


KINDS = {
    "bert": Kind("Bert", "Bert", has_positions=True),
    "albert": Kind("Albert", "Albert", has_positions=True),
    "electra": Kind("Bert", "Electra", has_positions=True),
    "ernie": Kind("Bert", "Ernie", has_positions=True),
    "nezha": Kind("Nezha", "Nezha", has_positions=False),
    "roformer": Kind("RoFormer", "RoFormer", has_positions=False),
}

TOKENS = "Embedding-Token"
SEGMENTS = "Embedding-Segment"
POSITIONS = "Embedding-Position"
ROTARY_POSITIONS = "Embedding-Rotary-Position"
RELATIVE_POSITIONS = "Embedding-Relative-Position"
EMBEDDING_NORM = "Embedding-Norm"
EMBEDDING_MAPPING = "Embedding-Mapping"


def guess_kind(config: dict[str, Any], file_name: str) -> str:
    """Guesses the kind of a config without a `model_type`. The first checkpoints of Google and of others have none."""
    if config.get("use_relative_position"):
        return "nezha"
    return next((kind for kind in KINDS if file_name.startswith(f"{kind}_")), "bert")


def block_layers(block: int, layer_names: Container[str]) -> list[str]:
    """The names of a block's attention, feed-forward layers and of the layer normalisation after each, in the order in
    which they run. ALBERT uses one block over and over.
    """
    layers = ("MultiHeadSelfAttention", "MultiHeadSelfAttention-Norm", "FeedForward", "FeedForward-Norm")
    own = [f"Transformer-{block}-{layer}" for layer in layers]
    return own if own[0] in layer_names else [f"Transformer-{layer}" for layer in layers]


def is_of_encoder(variable: str) -> bool:
    """Whether a variable of this name is the encoder's, and not an output head's."""
    return variable.startswith(("Embedding-", "Transformer-"))


def depth_of(variable: str) -> int | None:
    """The depth of a variable by its name: 0 for embeddings, n for the n-th block.

    None if it is no encoder's, or belongs to a block that is used over and over.
    """
    if variable.startswith("Embedding-"):
        return 0
    found = re.match(r"Transformer-(\d+)-", variable)
    return int(found[1]) + 1 if found else None
