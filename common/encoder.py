"""Encoders: from a folder of published weights, from the hub, or fresh from given sizes.

`resolve_encoder` finds out what a config means, `build_encoder` builds it and `load_pretrained` loads its weights.
`start_encoder` does the last two for a training.
"""

import difflib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.checkpoints import OUTPUT_BIAS, write_checkpoint, write_safetensors
from common.cli import UserError
from common.config import EncoderSizes, TrainingConfig
from common.encoder_source import EncoderSource, read_folder
from common.files import write_json
from common.hub import fetch_encoder
from common.inference import cpu_has_bfloat16
from common.kinds import KINDS
from common.published import to_published
from common.tokenizer import Tokenizer
from common.vocabulary import write_tokenizer

if TYPE_CHECKING:
    import tf_keras as keras

    from common.bert import Compat


# Names that are often written without their owner -> the whole name.
OWNERS = {"bert-base-chinese": "google-bert/bert-base-chinese"}
# This encoder was published with a random head, see github.com/ymcui/Chinese-BERT-wwm/issues/146.
RANDOM_HEAD = re.compile(r"roberta[-_]wwm[-_](ext[-_]large|large[-_]ext)")


@dataclass(frozen=True)
class LoadReport:
    """The tensors that a model and its file do not have in common, named as in Google's checkpoints."""

    missing: list[str]  # not in the file, so the model keeps their initial values
    unused: list[str]  # only in the file


def resolve_encoder(
    spec: str | EncoderSizes, max_length: int = 0, gelu: str | None = None, segments: int = 1
) -> EncoderSource:
    """Find out which encoder is meant, and check its files. This needs no TensorFlow, and loads no weights.

    Args:
        spec: the sizes of a fresh encoder, or a string: a folder (with config.json or bert_config.json, a vocabulary
            and weights), or a repository on the hub, see `common.hub`, which is downloaded now unless it is in the
            cache.
        max_length: the most tokens that the encoder will be given.
        gelu: "erf", "tanh" or "sigmoid" replaces the form of GELU that the encoder was trained with.
        segments: how many segments the encoder will be given: 2 for a question with its context.

    Raises:
        UserError: one line with the file, or with the key if the encoder has too few positions or segments, or no GELU.
    """
    source = _resolve(spec)
    architecture = source.architecture
    positions = architecture["max_position"]
    if KINDS[architecture["model"]].has_positions and max_length > positions:
        raise UserError(f"max_length: {max_length} tokens, but {source.name} has positions for {positions}")
    known = architecture["segment_vocab_size"]
    if known < segments:
        raise UserError(f"encoder: {source.name} knows {known} segment (type_vocab_size), but {segments} are needed")
    if gelu is None:
        return source
    if not architecture["hidden_act"].startswith("gelu"):
        raise UserError(f"gelu: {source.name} has the activation {architecture['hidden_act']}, not a form of GELU")
    return replace(source, architecture=architecture | {"hidden_act": f"gelu_{gelu}"})


def _resolve(spec: str | EncoderSizes) -> EncoderSource:
    if isinstance(spec, EncoderSizes):
        tokenizer = Tokenizer.from_vocab(spec.vocabulary, word_level=spec.word_level)
        return EncoderSource("fresh encoder", _fresh_architecture(spec, tokenizer.vocab_size), tokenizer)
    if os.path.isdir(spec):
        return read_folder(Path(spec), spec)
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?", spec):
        folder = fetch_encoder(spec)
        return read_folder(folder, f"{spec.partition('@')[0]}@{folder.name}")
    example = OWNERS.get(spec, "org/name or org/name@revision")
    raise UserError(f"{spec}: no such folder, and not a name on the hub (such a name looks like {example})")


def _fresh_architecture(sizes: EncoderSizes, vocab_size: int) -> dict[str, Any]:
    return {
        # RoFormer has rotary positions. A fresh encoder that has to learn its position embeddings takes eight epochs on
        # the demo set to reach what this one reaches in three.
        "model": "roformer",
        "vocab_size": vocab_size,
        "hidden_size": sizes.hidden_size,
        "embedding_size": sizes.hidden_size,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate_size or 4 * sizes.hidden_size,
        "hidden_act": "gelu_erf",
        "max_position": 512,  # bert4keras requires it, but rotary positions have no limit
        "segment_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "same_token_attention": sizes.same_token_attention,
    }


def build_encoder(
    architecture: dict[str, Any],
    seed: int,
    dropout_rate: float = 0.1,
    with_mlm: bool = False,
    recompute: int = 0,
    unilm: bool = False,
    choose: bool = False,
    embeddings_of: "keras.Model | None" = None,
) -> "keras.Model":
    """Build the encoder with fresh weights.

    Its inputs are [token ids, segment ids], both int32 [batch, length]. Token id 0 is padding. The length is at most
    `max_position`, except for NEZHA and RoFormer, which have no limit. The output is the last hidden states
    [batch, length, hidden_size]. Calls in training need `common.bert.dropout_seed`.

    Args:
        architecture: as in `EncoderSource`.
        seed: the weights are a pure function of it.
        dropout_rate: the share of hidden states and of attention probabilities that is dropped in training.
        with_mlm: whether to add the masked-language-model head. The output is then a list of the hidden states and the
            scores (logits) of all vocabulary entries [batch, length, vocab_size].
        recompute: this many blocks at a time are run again in the backward pass, see `common.recompute`. 0 means none.
        unilm: whether a token of segment 0 attends only to segment 0, and one of segment 1 only to the tokens up to
            itself (arXiv 1905.03197).
        choose: whether there is a third input, positions int32 [batch, p]. The last block then computes only the tokens
            at these positions, and the outputs are [batch, p, ...]. It cannot be combined with `unilm`.
        embeddings_of: another encoder, whose tables of tokens and segments it shares. This is the generator that
            replaced-token detection trains beside an encoder.
    """
    from common.recompute import Encoder

    if with_mlm and architecture.get("untied_output"):
        raise UserError(
            "the encoder's masked-language-model head has its own output weights (tie_word_embeddings is false in its "
            "config), which is not supported; expected an encoder whose head shares the embeddings"
        )
    transformer = _transformer(architecture, seed, dropout_rate, with_mlm, unilm, choose, embeddings_of)
    transformer.build()
    if architecture.get("same_token_attention"):
        _attend_to_same_token(transformer.model)
    sides = [side for side in (transformer.attention_bias, transformer.position_bias) if side is not None]
    name = "encoder" if embeddings_of is None else "generator"
    return Encoder(transformer.model.inputs, transformer.model.output, transformer.boundaries, sides, recompute, name)


def start_encoder(config: TrainingConfig, source: EncoderSource, **options: bool) -> "keras.Model":
    """Set the seed and the precision, and build the encoder that a training starts from.

    It has the published weights, or fresh ones if `source` is a fresh encoder. Prints the precision.

    Args:
        config: the config of the training.
        source: the resolved `encoder` of the config.
        options: `with_mlm`, `unilm` and `choose` of `build_encoder`.
    """
    import tf_keras as keras

    keras.utils.set_random_seed(config.seed)
    print("precision:", set_precision(config.precision))
    encoder = build_encoder(source.architecture, config.seed, config.dropout, recompute=config.recompute, **options)
    load_pretrained(encoder, source)
    return encoder


def set_precision(name: str) -> str:
    """Set Keras' precision policy and return its name. "auto" chooses the one that is fast on this machine."""
    import tf_keras as keras

    if name == "auto":
        name = _fast_precision()
    keras.mixed_precision.set_global_policy(name)
    return name


def _fast_precision() -> str:
    """Choose the fast precision policy of this machine.

    It is bfloat16 on GPUs from compute capability 8 on and on CPUs that multiply it in hardware, float16 on GPUs from
    capability 7 on, and float32 otherwise. On other CPUs bfloat16 is 2.6 times slower than float32.
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
    """Return the masked-language-model head of an encoder that was built `with_mlm`.

    It turns hidden states [..., hidden_size] into scores of all vocabulary entries [..., vocab_size].
    """
    import tf_keras as keras

    return keras.Model(*encoder.outputs, name="head")


def _attend_to_same_token(model: "keras.Model") -> None:
    """Start the queries and keys of each layer from the same kernel, with doubled values.

    A token then attends to the same token elsewhere before anything is learnt. This is a form of mimetic initialization
    (arXiv 2305.09828). It helps if the task compares texts, such as a question and its context, because a fresh
    encoder is slow to learn this.
    """
    for layer in model.layers:
        if hasattr(layer, "q_dense"):
            kernel = 2 * layer.q_dense.kernel
            layer.q_dense.kernel.assign(kernel)
            layer.k_dense.kernel.assign(kernel)


def _transformer(
    architecture: dict[str, Any],
    seed: int = 0,
    dropout_rate: float = 0.0,
    with_mlm: bool = False,
    unilm: bool = False,
    choose: bool = False,
    embeddings_of: "keras.Model | None" = None,
) -> "Compat":
    """Return the bert4keras object that builds the model and knows the names of its weights."""
    from common import bert  # imported here because it loads TensorFlow, and the input is checked before that

    no_sizes = ("model", "same_token_attention", "untied_output")
    sizes = {key: value for key, value in architecture.items() if key not in no_sizes}
    transformer = getattr(bert, KINDS[architecture["model"]].builder)
    layers, prefix = {}, ""
    if embeddings_of is not None:
        prefix = "Generator-"  # names of layers are unique within a model
        layers = {prefix + name: embeddings_of.get_layer(name) for name in ("Embedding-Token", "Embedding-Segment")}
    return (bert.with_unilm_mask(transformer) if unilm else transformer)(
        **sizes,
        layers=layers,
        prefix=prefix,
        seed=seed,
        choose=choose,
        dropout_rate=dropout_rate,
        attention_dropout_rate=dropout_rate,
        with_mlm="linear" if with_mlm else False,
    )


def load_pretrained(model: "keras.Model", source: EncoderSource) -> LoadReport:
    """Load published weights into a model that `build_encoder` made.

    Print on standard error what is unusual about the encoder, which tensors the file lacks and which are not used. A
    masked-language-model head that is not in the file keeps its initial values. Raises UserError if the file lacks a
    tensor of the encoder itself, or if a tensor does not have the model's shape. A fresh encoder has nothing to load,
    and its report is empty.
    """
    if source.weights is None:
        return LoadReport([], [])
    weights = source.weights()
    loaded: dict[str, tuple[Any, np.ndarray]] = {}
    missing = []
    for name, variable in _named_variables(model, source.architecture):
        value = weights.pop(name, None)
        if value is None:
            missing.append(name)
        elif value.shape != variable.shape:
            shapes = f"{list(value.shape)}, its config says {variable.shape.as_list()}"
            raise UserError(f"{source.name}: {name} has shape {shapes}")
        else:
            loaded[name] = (variable, value)
    lacking = [name for name in missing if name.startswith("bert/")]
    if lacking:
        nearest = difflib.get_close_matches(lacking[0], weights, n=1, cutoff=0)
        raise UserError(
            f"{source.name}: the file lacks {len(lacking)} tensors of the encoder, the first is {lacking[0]}; "
            f"the most similar of its other names is {nearest[0] if nearest else 'none'}; "
            f"if this is not a {source.architecture['model']} model, put its model_type into the config"
        )
    for variable, value in loaded.values():
        variable.assign(value)
    report = LoadReport(missing, sorted(weights))
    print(f"{source.name}: {len(loaded)} tensors loaded{_describe(report)}", file=sys.stderr)
    for note in source.notes:
        print(f"{source.name}: {note}", file=sys.stderr)
    if _has_random_head(source.name, loaded):
        print(f"{source.name}: its masked-language-model head is random and has to be trained", file=sys.stderr)
    return report


def _has_random_head(name: str, loaded: dict[str, tuple[Any, np.ndarray]]) -> bool:
    """Whether a masked-language-model head was loaded that looks untrained, or is said to be by its publisher."""
    parts = [loaded[part][1] for part in ("cls/predictions/transform/LayerNorm/gamma", OUTPUT_BIAS) if part in loaded]
    if len(parts) < 2:
        return False
    scale, bias = parts
    return RANDOM_HEAD.search(name) is not None or bool((scale == 1).all() and not bias.any())


def _named_variables(model: "keras.Model", architecture: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (name in Google's checkpoints, variable) of a model that `build_encoder` made."""
    mapping = _transformer(architecture).variable_mapping()
    for layer in model.layers:
        for variable, name in zip(layer.weights, mapping.get(layer.name, ()), strict=False):
            yield name, variable


def save_encoder(model: "keras.Model", source: EncoderSource, folder: Path, half_precision: bool = False) -> None:
    """Write an encoder as a folder that `resolve_encoder` and `transformers` can load.

    The folder gets config.json, vocab.txt and model.safetensors.

    Args:
        model: the encoder that `build_encoder` built from the architecture of `source`.
        source: the encoder's description.
        folder: the folder to write; it may exist.
        half_precision: whether to write float16 instead of float32.
    """
    dtype = np.float16 if half_precision else np.float32
    variables = _named_variables(model, source.architecture)
    weights = {name: variable.numpy().astype(dtype) for name, variable in variables}
    _write_description(source, folder, "config.json")
    write_safetensors(weights, source.architecture["model"], folder / "model.safetensors")


def save_checkpoint(source: EncoderSource, folder: Path) -> None:
    """Write published weights as Google does: bert_config.json, vocab.txt and a TensorFlow checkpoint in float32."""
    assert source.weights is not None, "a fresh encoder has no weights to write"
    _write_description(source, folder, "bert_config.json")
    write_checkpoint(source.weights(), folder / "bert_model.ckpt")


def _write_description(source: EncoderSource, folder: Path, config_name: str) -> None:
    """Make the folder, and write the vocabulary and the config into it."""
    folder.mkdir(exist_ok=True)
    write_tokenizer(source.tokenizer, folder)
    write_json(folder / config_name, to_published(source.architecture))


def _describe(report: LoadReport) -> str:
    """Say which tensors are missing or unused, as in "; in the file but not used: bert/pooler (2)"."""
    text = ""
    for names, lead in (
        (report.missing, "not in the file, so fresh"),
        (report.unused, "in the file but not used"),
    ):
        if names:
            groups = Counter("/".join(name.split("/")[:2]) for name in names)
            text += f"; {lead}: " + ", ".join(f"{group} ({count})" for group, count in groups.items())
    return text
