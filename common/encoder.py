"""Encoders from published weights, from the hub, or fresh from sizes: `resolve_encoder` finds out what is meant,
`build_encoder` builds it, `load_pretrained` loads its weights, `start_encoder` does the last two for a training.
"""

import functools
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.checkpoints import check_weights, encoder_files, read_weights, write_checkpoint, write_safetensors
from common.cli import UserError
from common.config import EncoderSizes, TrainingConfig
from common.files import read_json, write_json
from common.hub import fetch_encoder
from common.inference import cpu_has_bfloat16
from common.kinds import KINDS
from common.published import to_architecture, to_published
from common.tokenizer import Tokenizer

if TYPE_CHECKING:
    import tf_keras as keras


@dataclass(frozen=True)
class EncoderSource:
    """What the `encoder` of a config came to."""

    name: str  # for messages
    architecture: dict[str, Any]  # for `build_encoder`; JSON-able, so a run folder can keep it
    tokenizer: Tokenizer
    weights: Callable[[], dict[str, np.ndarray]] | None = None  # Google's names -> arrays; None: fresh
    files: tuple[Path, ...] = ()  # what `weights` reads


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
    if KINDS[architecture["model"]].has_positions and max_length > positions:
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
    architecture = to_architecture(config, folder / config_name)
    tokenizer = Tokenizer.from_vocab(folder / "vocab.txt")
    if tokenizer.vocab_size != architecture["vocab_size"]:
        raise UserError(
            f"{folder / 'vocab.txt'}: {tokenizer.vocab_size} entries, but the encoder has embeddings for "
            f"{architecture['vocab_size']} (vocab_size in {config_name})"
        )
    files = tuple(folder / weight_name for weight_name in weight_names)
    check_weights(files)
    weights = functools.partial(_read, files, bool(config.get("use_task_id")))
    return EncoderSource(name, architecture, tokenizer, weights, files)


def _read(files: Sequence[Path], use_task_id: bool) -> dict[str, np.ndarray]:
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


def start_encoder(config: TrainingConfig, source: EncoderSource, **options: bool) -> "keras.Model":
    """Builds the encoder that a training starts from: sets the seed and the precision, and loads published weights.

    Args:
        config: of the training.
        source: what its `encoder` came to.
        options: `with_mlm` and `unilm` of `build_encoder`.
    """
    import tf_keras as keras

    keras.utils.set_random_seed(config.seed)
    print("precision:", set_precision(config.precision))
    encoder = build_encoder(source.architecture, config.seed, config.dropout, recompute=config.recompute, **options)
    load_pretrained(encoder, source)
    return encoder


def set_precision(name: str) -> str:
    """Set Keras' policy and return its name; "auto" takes the fast one of this machine."""
    import tf_keras as keras

    if name == "auto":
        name = _fast_precision()
    keras.mixed_precision.set_global_policy(name)
    return name


def _fast_precision() -> str:
    """Choose bfloat16 on GPUs from compute capability 8 and on CPUs that multiply it in hardware, float16 on GPUs from
    7, else float32. On other CPUs bfloat16 is 2.6 times slower.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
    if capability >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= (7, 0) else "float32"


def mlm_head(encoder: "keras.Model") -> "keras.Model":
    """The masked-language-model head of an encoder with one: hidden states [..., hidden_size] -> scores of all entries
    of the vocabulary.
    """
    import tf_keras as keras

    return keras.Model(*encoder.outputs, name="head")


def _attend_to_same_token(model: "keras.Model") -> None:
    """Let the queries and keys of each layer start from one kernel of twice the values: a token then attends to the
    same token elsewhere before anything is learnt (a form of mimetic initialization, arXiv 2305.09828). Where texts
    are compared, as a question with a context, this is what a fresh encoder is slow to find.
    """
    for layer in model.layers:
        if hasattr(layer, "q_dense"):
            kernel = 2 * layer.q_dense.kernel
            layer.q_dense.kernel.assign(kernel)
            layer.k_dense.kernel.assign(kernel)


def _transformer(architecture: dict[str, Any], seed=0, dropout_rate=0.0, with_mlm=False, unilm=False):
    """The bert4keras object that builds the model and knows the names of its weights."""
    from common import bert  # TensorFlow: only now, when the input has been checked

    sizes = {key: value for key, value in architecture.items() if key not in ("model", "same_token_attention")}
    transformer = getattr(bert, KINDS[architecture["model"]].builder)
    return (bert.with_unilm_mask(transformer) if unilm else transformer)(
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


def save_encoder(model: "keras.Model", source: EncoderSource, folder: Path, half_precision: bool = False) -> None:
    """Write a model that `build_encoder` made of `source` as a folder that `resolve_encoder` and `transformers` load:
    config.json, vocab.txt and model.safetensors, in float16 with `half_precision`, else in float32.
    """
    dtype = np.float16 if half_precision else np.float32
    variables = _named_variables(model, source.architecture)
    weights = {name: variable.numpy().astype(dtype) for name, variable in variables}
    _write_description(source, folder, "config.json")
    write_safetensors(weights, source.architecture["model"], folder / "model.safetensors")


def save_checkpoint(source: EncoderSource, folder: Path) -> None:
    """Write an encoder as Google's folders are: bert_config.json, vocab.txt and a TensorFlow checkpoint in float32."""
    _write_description(source, folder, "bert_config.json")
    write_checkpoint(source.weights(), folder / "bert_model.ckpt")


def _write_description(source: EncoderSource, folder: Path, config_name: str) -> None:
    """Makes the folder, with the vocabulary and the config."""
    folder.mkdir(exist_ok=True)
    source.tokenizer.save(folder / "vocab.txt")
    write_json(folder / config_name, to_published(source.architecture))


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
