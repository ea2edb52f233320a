"""One call builds the encoder: from published weights, from the hub, or fresh from sizes."""

import functools
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.checkpoints import (
    MODEL_TYPES,
    check_weights,
    encoder_files,
    read_weights,
    write_checkpoint,
    write_safetensors,
)
from common.cli import UserError
from common.config import EncoderSizes
from common.files import read_json, write_json
from common.hub import fetch_encoder
from common.tokenizer import Tokenizer

if TYPE_CHECKING:
    import tf_keras as keras

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
# Variants of the published configs that the models here cannot be: key -> the one value they have.
FIXED = {
    "position_embedding_type": "absolute",
    "max_relative_position": 64,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "rotary_value": False,
}


CLASSES = {  # in transformers
    "bert": "Bert",
    "albert": "Albert",
    "electra": "Electra",
    "ernie": "Ernie",
    "nezha": "Nezha",
    "roformer": "RoFormer",
}


@dataclass(frozen=True)
class EncoderSource:
    """What the `encoder` of a config came to."""

    name: str  # for messages
    architecture: dict[str, Any]  # for `build_encoder`; JSON-able, so a run folder can keep it
    tokenizer: Tokenizer
    weights: Callable[[], dict[str, np.ndarray]] | None = None  # Google's names -> arrays; None: fresh


@dataclass(frozen=True)
class LoadReport:
    """What a model and the file it was loaded from do not share, by the names of Google's checkpoints."""

    missing: list[str]  # not in the file: the model keeps its initial values
    unused: list[str]  # in the file only


def resolve_encoder(spec: str | EncoderSizes, max_length: int = 0, gelu: str | None = None) -> EncoderSource:
    """Find out what `spec` means; without TensorFlow, and without reading weights.

    A string is a folder (config.json or bert_config.json, vocab.txt, weights) or a repository on the hub,
    which is fetched now. `max_length` is the most tokens the encoder will be given. `gelu` ("erf", "tanh" or
    "sigmoid") takes the place of the form of GELU that it was trained with.

    Raises UserError, one line that names the file, or the key if the encoder has fewer positions or no GELU.
    """
    source = _resolve(spec)
    architecture = source.architecture
    positions = architecture["max_position"]
    if architecture["model"] not in ("nezha", "roformer") and max_length > positions:
        raise UserError(f"max_length: {max_length} tokens, but {source.name} has positions for {positions}")
    if gelu is None:
        return source
    if not architecture["hidden_act"].startswith("gelu"):
        raise UserError(f"gelu: {source.name} has the activation {architecture['hidden_act']}")
    return replace(source, architecture=architecture | {"hidden_act": f"gelu_{gelu}"})


def _resolve(spec: str | EncoderSizes) -> EncoderSource:
    if isinstance(spec, EncoderSizes):
        tokenizer = Tokenizer.from_vocab(spec.vocabulary, word_level=spec.word_level)
        return EncoderSource("fresh encoder", _fresh_architecture(spec, tokenizer.vocab_size), tokenizer)
    if os.path.isdir(spec):
        return _from_folder(Path(spec), spec)
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", spec):
        return _from_folder(fetch_encoder(spec), spec)
    raise UserError(f"{spec}: no such folder, and no name on the hub (those are like org/name)")


def _fresh_architecture(sizes: EncoderSizes, vocab_size: int) -> dict[str, Any]:
    return {
        # Rotary positions: a fresh encoder that has to learn its position embeddings reaches on the demo set after
        # eight epochs what this one reaches in three.
        "model": "roformer",
        "vocab_size": vocab_size,
        "hidden_size": sizes.hidden_size,
        "embedding_size": sizes.hidden_size,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate_size or 4 * sizes.hidden_size,
        "hidden_act": "gelu_erf",
        "max_position": 512,  # bert4keras asks for it; rotary positions have no end
        "segment_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "same_token_attention": sizes.same_token_attention,
    }


def _from_folder(folder: Path, name: str) -> EncoderSource:
    config_name, weight_names = encoder_files((path.name for path in folder.iterdir()), str(folder))
    config = read_json(folder / config_name)
    architecture = _architecture(config, folder / config_name)
    tokenizer = Tokenizer.from_vocab(folder / "vocab.txt")
    if tokenizer.vocab_size != architecture["vocab_size"]:
        raise UserError(
            f"{folder / 'vocab.txt'}: {tokenizer.vocab_size} entries, but the encoder has embeddings for "
            f"{architecture['vocab_size']} (vocab_size in {config_name})"
        )
    files = [folder / weight_name for weight_name in weight_names]
    check_weights(files)
    weights = functools.partial(_read, files, bool(config.get("use_task_id")))
    return EncoderSource(name, architecture, tokenizer, weights)


def _architecture(config: Any, path: Path) -> dict[str, Any]:
    """A published config in bert4keras' terms; raises UserError naming the key."""
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected an object")
    guess = next((name for name in ("albert", "electra") if path.name.startswith(name)), "bert")
    model = config.get("model_type", "nezha" if config.get("use_relative_position") else guess)
    if model not in MODEL_TYPES:
        raise UserError(f"{path}: model_type {model!r} is not one of {', '.join(MODEL_TYPES)}")
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
        "embedding_size": size("embedding_size", hidden_size),
        "num_hidden_layers": size("num_hidden_layers"),
        "num_attention_heads": heads,
        "intermediate_size": size("intermediate_size"),
        "hidden_act": ACTIVATIONS[activation],
        "max_position": size("max_position_embeddings", 512),
        "segment_vocab_size": size("type_vocab_size", 2),
        "layer_norm_eps": float(epsilon),
    }


def check_architecture(architecture: Any, vocab_size: int, path: Path) -> None:
    """Raises UserError unless a file's value is what `build_encoder` takes, for a vocabulary of this size."""
    sizes = ("hidden_size", "embedding_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    if not (
        isinstance(architecture, dict)
        and architecture.get("model") in MODEL_TYPES
        and architecture.get("hidden_act") in ACTIVATIONS.values()
        and all(type(architecture.get(key)) is int and architecture[key] > 0 for key in sizes)
    ):
        raise UserError(f"{path}: not the description of an encoder")
    if architecture.get("vocab_size") != vocab_size:
        raise UserError(f"{path}: vocab_size is {architecture.get('vocab_size')!r}, the vocabulary has {vocab_size}")


def _read(files: list[Path], use_task_id: bool) -> dict[str, np.ndarray]:
    weights = read_weights(files)
    if use_task_id:  # ERNIE adds task 0's vector to every token: the same as adding it to each segment's
        try:
            task = weights.pop("bert/embeddings/task_type_embeddings")[0]
            weights["bert/embeddings/token_type_embeddings"] += task
        except KeyError as error:
            raise UserError(f"{files[0]}: lacks {error.args[0]}, which its config asks for") from error
    return weights


def build_encoder(
    architecture: dict[str, Any],
    seed: int,
    dropout_rate: float = 0.1,
    with_mlm: bool = False,
    recompute: int = 0,
    unilm: bool = False,
) -> "keras.Model":
    """The encoder with fresh weights, a pure function of `seed`.

    Inputs [token ids, segment ids], both int32 [B, L], L at most `max_position` (NEZHA, RoFormer: any L);
    token id 0 is padding. Output: the last hidden states [B, L, hidden_size]; with `with_mlm` a list of them
    and the scores (logits) of all vocabulary entries [B, L, vocab_size]. A call in training needs
    `common.bert.dropout_seed`. `recompute` blocks at a time are run again in the backward pass, see
    `common.recompute`; 0 for none. With `unilm` a token of segment 0 attends to all of segment 0, and one of segment 1
    to all tokens up to itself (arXiv 1905.03197).
    """
    from common.recompute import Encoder

    transformer = _transformer(architecture, seed, dropout_rate, with_mlm, unilm)
    transformer.build()
    if architecture.get("same_token_attention"):
        _attend_to_same_token(transformer.model)
    sides = [side for side in (transformer.attention_bias, transformer.position_bias) if side is not None]
    return Encoder(transformer.model.inputs, transformer.model.output, transformer.boundaries, sides, recompute)


def mlm_head(encoder: "keras.Model") -> "keras.Model":
    """The masked-language-model head of an encoder with one: hidden states [..., hidden_size] -> scores of all entries
    of the vocabulary."""
    import tf_keras as keras

    return keras.Model(*encoder.outputs, name="head")


def _attend_to_same_token(model: "keras.Model") -> None:
    """Let the queries and keys of each layer start from one kernel of twice the values: a token then attends to the
    same token elsewhere before anything is learnt (a form of mimetic initialization, arXiv 2305.09828). Where texts
    are compared, as a question with a context, this is what a fresh encoder is slow to find."""
    for layer in model.layers:
        if hasattr(layer, "q_dense"):
            kernel = 2 * layer.q_dense.kernel
            layer.q_dense.kernel.assign(kernel)
            layer.k_dense.kernel.assign(kernel)


def _transformer(architecture: dict[str, Any], seed=0, dropout_rate=0.0, with_mlm=False, unilm=False):
    """The bert4keras object that builds the model and knows the names of its weights."""
    from common.bert import TRANSFORMERS, with_unilm_mask  # TensorFlow: only now, when the input has been checked

    sizes = {key: value for key, value in architecture.items() if key not in ("model", "same_token_attention")}
    transformer = TRANSFORMERS[architecture["model"]]
    return (with_unilm_mask(transformer) if unilm else transformer)(
        **sizes,
        seed=seed,
        dropout_rate=dropout_rate,
        attention_dropout_rate=dropout_rate,
        with_mlm="linear" if with_mlm else False,
    )


def load_pretrained(model: "keras.Model", source: EncoderSource) -> LoadReport:
    """Fill `model`, which `build_encoder` made; say on standard error what the file lacks or has too much.

    Raises UserError when a tensor of the encoder itself is missing or any has another shape; a missing
    masked-language-model head keeps its initial values.
    """
    if source.weights is None:
        return LoadReport([], [])
    weights = source.weights()
    pairs, missing = [], []
    for name, variable in _named_variables(model, source.architecture):
        value = weights.pop(name, None)
        if value is None:
            missing.append(name)
        elif value.shape != variable.shape:
            shapes = f"{list(value.shape)}, its config says {variable.shape.as_list()}"
            raise UserError(f"{source.name}: {name} has shape {shapes}")
        else:
            pairs.append((variable, value))
    lacking = [name for name in missing if name.startswith("bert/")]
    if lacking:
        raise UserError(
            f"{source.name}: the file lacks {len(lacking)} tensors of the encoder, {lacking[0]} for one; "
            f"if this is no {source.architecture['model']} model, put its model_type into the config"
        )
    for variable, value in pairs:
        variable.assign(value)
    report = LoadReport(missing, sorted(weights))
    print(f"{source.name}: {len(pairs)} tensors loaded{_said(report)}", file=sys.stderr)
    return report


def _named_variables(model: "keras.Model", architecture: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The variables of a model that `build_encoder` made, with their names in Google's checkpoints."""
    mapping = _transformer(architecture).variable_mapping()
    for layer in model.layers:
        for variable, name in zip(layer.weights, mapping.get(layer.name, ()), strict=False):
            yield name, variable


def save_encoder(
    model: "keras.Model", architecture: dict[str, Any], tokenizer: Tokenizer, folder: Path, half_precision: bool = False
) -> None:
    """Write a model that `build_encoder` made as a folder that `resolve_encoder` and `transformers` load:
    config.json, vocab.txt and model.safetensors, in float16 with `half_precision`, else in float32."""
    dtype = np.float16 if half_precision else np.float32
    weights = {name: variable.numpy().astype(dtype) for name, variable in _named_variables(model, architecture)}
    _write_description(architecture, tokenizer, folder, "config.json")
    write_safetensors(weights, architecture["model"], folder / "model.safetensors")


def save_checkpoint(source: EncoderSource, folder: Path) -> None:
    """Write an encoder as Google's folders are: bert_config.json, vocab.txt and a TensorFlow checkpoint in float32."""
    _write_description(source.architecture, source.tokenizer, folder, "bert_config.json")
    write_checkpoint(source.weights(), folder / "bert_model.ckpt")


def _write_description(architecture: dict[str, Any], tokenizer: Tokenizer, folder: Path, config_name: str) -> None:
    """Make the folder, with the vocabulary and the config, the inverse of `_architecture`."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(folder / "vocab.txt")
    sizes = {key: value for key, value in architecture.items() if key != "same_token_attention"}
    config = {
        "architectures": [CLASSES[architecture["model"]] + "ForMaskedLM"],
        "model_type": sizes.pop("model"),
        "max_position_embeddings": sizes.pop("max_position"),
        "type_vocab_size": sizes.pop("segment_vocab_size"),
        **sizes,
        "hidden_act": next(name for name, value in ACTIVATIONS.items() if value == architecture["hidden_act"]),
        "rotary_value": False,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "dtype": "float32",  # also where the file holds float16, in which transformers would compute
    }
    write_json(folder / config_name, config)


def _said(report: LoadReport) -> str:
    """Like "; not in the file, so fresh: cls/predictions (5); in the file but not used: bert/pooler (2)"."""
    text = ""
    for names, lead in (
        (report.missing, "not in the file, so fresh"),
        (report.unused, "in the file but not used"),
    ):
        if names:
            groups = Counter("/".join(name.split("/")[:2]) for name in names)
            text += f"; {lead}: " + ", ".join(f"{group} ({count})" for group, count in groups.items())
    return text
