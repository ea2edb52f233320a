"""Translates published configs of encoders into what `build_encoder` takes, and back. No TensorFlow here."""

from pathlib import Path
from typing import Any

from common.cli import UserError
from common.kinds import KINDS, guess_kind

# Name of an activation in published configs -> its name in `common.activations`.
ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "gelu_sigmoid",
    "relu": "relu",
    "silu": "swish",
    "swish": "swish",
}
# Published models come in variants that the models here lack. Key of a config -> the one value that is supported.
FIXED = {
    "position_embedding_type": "absolute",
    "max_relative_position": 64,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "rotary_value": False,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "pruned_heads": {},
    "quantization_config": None,
    "ln_type": "postln",  # brightmart's ALBERT
    "norm_type": "layer_norm",  # RoFormerV2
    "use_bias": True,
}
# The width of the embeddings if a config has no `embedding_size`, as in transformers. Elsewhere it is `hidden_size`.
EMBEDDING_SIZES = {"albert": 128, "electra": 128}


def to_architecture(config: Any, path: Path) -> dict[str, Any]:
    """Translate the published config in the file `path` into what `common.encoder.build_encoder` takes.

    Raises UserError if a key has a wrong value, or one that is not supported.
    """
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected an object")
    model = config.get("model_type", guess_kind(config, path.name))
    if not isinstance(model, str) or model not in KINDS:
        raise UserError(f"{path}: model_type {model!r} is not one of {', '.join(KINDS)}")
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise UserError(f"{path}: {key} is {config[key]!r}, only {value!r} is supported")
    activation = config.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise UserError(f"{path}: hidden_act {activation!r} is not one of {', '.join(ACTIVATIONS)}")

    def size(key: str, default: int | None = None) -> int:
        value = config.get(key, default)
        if type(value) is not int or value < 1:
            raise UserError(f"{path}: {key} should be a positive integer, not {value!r}")
        return value

    epsilon = config.get("layer_norm_eps", 1e-12)
    if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
        raise UserError(f"{path}: layer_norm_eps should be a number from 0 to 1, not {epsilon!r}")
    hidden_size, heads = size("hidden_size"), size("num_attention_heads")
    if hidden_size % heads:
        raise UserError(f"{path}: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}")
    return {
        "model": model,
        "vocab_size": size("vocab_size"),
        "hidden_size": hidden_size,
        "embedding_size": size("embedding_size", EMBEDDING_SIZES.get(model, hidden_size)),
        "num_hidden_layers": size("num_hidden_layers"),
        "num_attention_heads": heads,
        "intermediate_size": size("intermediate_size"),
        "hidden_act": ACTIVATIONS[activation],
        "max_position": size("max_position_embeddings", 512),
        "segment_vocab_size": size("type_vocab_size", 2),
        "layer_norm_eps": float(epsilon),
        **({} if config.get("tie_word_embeddings", True) else {"untied_output": True}),
    }


def check_architecture(architecture: Any, path: Path) -> None:
    """Raise UserError unless `architecture`, the content of `path`, is what a run folder says of its encoder."""
    sizes = (
        "vocab_size",
        "hidden_size", "embedding_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "max_position", "segment_vocab_size",
    )  # fmt: skip
    if not (
        isinstance(architecture, dict)
        and architecture.get("model") in list(KINDS)
        and architecture.get("hidden_act") in ACTIVATIONS.values()
        and all(type(architecture.get(key)) is int and architecture[key] > 0 for key in sizes)
        and architecture["hidden_size"] % architecture["num_attention_heads"] == 0
        and type(architecture.get("layer_norm_eps")) in (int, float)
        and all(isinstance(architecture.get(key, False), bool) for key in ("lower_case", "word_level"))
    ):
        raise UserError(f"{path}: not the description of an encoder")


def to_published(architecture: dict[str, Any]) -> dict[str, Any]:
    """Translate an architecture into the config that transformers reads, the inverse of `to_architecture`."""
    sizes = {key: value for key, value in architecture.items() if key not in ("same_token_attention", "untied_output")}
    model = sizes.pop("model")
    return {
        "architectures": [f"{KINDS[model].transformers}ForMaskedLM"],
        "model_type": model,
        "max_position_embeddings": sizes.pop("max_position"),
        "type_vocab_size": sizes.pop("segment_vocab_size"),
        **sizes,
        "hidden_act": next(name for name, value in ACTIVATIONS.items() if value == architecture["hidden_act"]),
        "rotary_value": False,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "dtype": "float32",  # without this key transformers would compute in the dtype of the file, maybe float16
    }
