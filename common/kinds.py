"""The kinds of encoders, and the names that bert4keras gives to their layers. This module needs no TensorFlow."""

import re
from collections.abc import Container
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of encoder, which published configs call `model_type`."""

    builder: str  # the name of its class in common/bert.py
    transformers: str  # the beginning of the names of its classes in transformers
    has_positions: bool  # whether it has a table of positions, whose size limits the length of a text


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
    """Guess the kind of encoder from a config without a `model_type`, such as those of Google's first checkpoints."""
    if config.get("use_relative_position"):
        return "nezha"
    if "discriminator" in file_name:
        return "electra"
    return next((kind for kind in KINDS if file_name.startswith(f"{kind}_")), "bert")


def block_layers(block: int, layer_names: Container[str]) -> list[str]:
    """List the names of a block's layers in the order in which they run.

    These are the attention, the feed-forward layers and the layer normalisation after each. In ALBERT all blocks use
    the same layers.
    """
    layers = ("MultiHeadSelfAttention", "MultiHeadSelfAttention-Norm", "FeedForward", "FeedForward-Norm")
    own = [f"Transformer-{block}-{layer}" for layer in layers]
    return own if own[0] in layer_names else [f"Transformer-{layer}" for layer in layers]


def is_of_encoder(variable: str) -> bool:
    """Whether the variable of this name belongs to the encoder and not to an output head."""
    return variable.startswith(("Embedding-", "Transformer-"))


def depth_of(variable: str) -> int | None:
    """Return the depth of a variable: 0 for embeddings, n for the n-th block.

    It is None for a variable outside the encoder, and for the layers that all blocks of ALBERT share.

    >>> depth_of("Transformer-0-FeedForward/kernel:0")
    1
    """
    if variable.startswith("Embedding-"):
        return 0
    found = re.match(r"Transformer-(\d+)-", variable)
    return int(found[1]) + 1 if found else None
