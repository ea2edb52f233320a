"""Reads published encoder weights: safetensors, Keras' HDF5, TensorFlow checkpoints and PyTorch's files.

It also writes safetensors and TensorFlow checkpoints. Every tensor has the name that it has in Google's BERT and ALBERT
checkpoints, because bert4keras maps its layers to these names.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import ml_dtypes  # noqa: F401  importing it makes bfloat16 known to NumPy
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from common.cli import UserError
from common.files import replaced
from common.kinds import KINDS
from common.torch_files import read_tensors
from common.vocabulary import vocabulary_files

FORMATS = "model.safetensors, tf_model.h5, bert_model.ckpt.* or pytorch_model.bin, the first and the last also in parts"
CONFIG = re.compile(rf"config\.json|({'|'.join(KINDS)})_config\w*\.json|(\w+_)?discriminator(_config)?\.json")
SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.safetensors")
TORCH_SHARD = re.compile(r"pytorch_model-\d{5}-of-(\d{5})\.bin")
CHECKPOINT = re.compile(r".+\.data-\d{5}-of-(\d{5})")

WORD_EMBEDDINGS = "bert/embeddings/word_embeddings"
EMBEDDINGS = re.compile(r"(.*?)embeddings[./]word_embeddings\b")
OUTPUT_BIAS = "cls/predictions/output_bias"
# These rules turn the name of a tensor in any file into Google's name. All are applied, in this order. Dots join the
# parts of both names.
RENAMINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        # What comes before "embeddings", "encoder" or "pooler", if anything: "bert.tf_bert_model.bert.", "electra."
        (rf"^(.*\b({'|'.join(KINDS)})\.)?(?=(embeddings\w*|encoder|pooler)\.)", "bert."),
        (r"^bert\.embeddings_project\.", "bert.encoder.embedding_hidden_mapping_in."),
        (r"\.layer\.(\d+)\.", r".layer_\1."),
        # The one block of ALBERT
        (r"\.albert_layer_groups\.0\.albert_layers\.0\.", ".transformer.group_0.inner_group_0."),
        (r"\.inner_group_0\.attention\.(query|key|value)\.", r".inner_group_0.attention_1.self.\1."),
        (r"\.inner_group_0\.attention\.dense\.", ".inner_group_0.attention_1.output.dense."),
        (r"\.inner_group_0\.attention\.LayerNorm\.", ".inner_group_0.LayerNorm."),
        (r"\.ffn\.", ".ffn_1.intermediate.dense."),
        (r"\.ffn_output\.", ".ffn_1.intermediate.output.dense."),
        (r"\.full_layer_layer_norm\.", ".LayerNorm_1."),
        (r"\.pooler\.(?=weight|kernel|bias)", ".pooler.dense."),
        # The masked-language-model heads of BERT and RoFormer, ALBERT, and ELECTRA
        (r"^.*cls\.predictions\.", "cls.predictions."),
        (r"^(?!cls\.)(.*\b)?(generator_)?predictions\.(?=dense|LayerNorm|\w*bias)", "cls.predictions."),
        (r"^.*generator_lm_head\.bias", "cls.predictions.bias"),
        (r"^cls\.predictions\.(?=dense|LayerNorm)", "cls.predictions.transform."),
        (r"^cls\.predictions\.bias$", "cls.predictions.output_bias"),
        # The last part of the name
        (r"(\.LayerNorm\w*)\.weight$", r"\1.gamma"),
        (r"(\.LayerNorm\w*)\.bias$", r"\1.beta"),
        (r"^(bert\.embeddings\.\w+)\.(?:weight|embeddings)$", r"\1"),
        (r"\.weight$", ".kernel"),
    ]
]
# These rules turn Google's name into the name in a "...ForMaskedLM" of `transformers`. All are applied, in this order,
# to the model type, a space and Google's name with its parts joined by dots.
PUBLISHED = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"^(electra|roformer) bert\.encoder\.embedding_hidden_mapping_in\.", r"\1.embeddings_project."),
        (r"^(\w+) bert\.", r"\1."),
        (r"\.layer_(\d+)\.", r".layer.\1."),
        (r"\.transformer\.group_0\.inner_group_0\.", ".albert_layer_groups.0.albert_layers.0."),
        (r"\.albert_layers\.0\.LayerNorm\.", ".albert_layers.0.attention.LayerNorm."),
        (r"\.attention_1\.(self|output)\.", ".attention."),
        (r"\.ffn_1\.intermediate\.output\.dense\.", ".ffn_output."),
        (r"\.ffn_1\.intermediate\.dense\.", ".ffn."),
        (r"\.LayerNorm_1\.", ".full_layer_layer_norm."),
        (r"^electra cls\.predictions\.output_bias$", "generator_lm_head.bias"),
        (r"^electra cls\.predictions\.transform\.", "generator_predictions."),
        (r"^albert cls\.predictions\.(transform\.)?", "predictions."),
        (r"^\w+ ", ""),
        (r"\.output_bias$", ".bias"),
        (r"\.beta$", ".bias"),
        (r"\.(gamma|kernel)$", ".weight"),
        (r"(\.\w+_embeddings)$", r"\1.weight"),
    ]
]
# Tensors that are not read: copies of other tensors, tables that can be computed, and the state of a training.
IGNORED = re.compile(
    r"predictions\.decoder\.(weight|kernel|bias)$|generator_lm_head\.(weight|kernel)$"
    r"|\.(position_ids|embed_positions(\.\w+)?|positions_encoding|adam_[mv]|lamb_[mv])$"
    r"|^(global_step|_CHECKPOINTABLE_OBJECT_GRAPH)$"
)


class EncoderFiles(NamedTuple):
    """The names of the files of an encoder that are read."""

    config: str
    vocabulary: list[str]
    weights: list[str]


def encoder_files(names: Iterable[str], where: str) -> EncoderFiles:
    """Choose the files of an encoder to read.

    Args:
        names: the names of all files in a folder or repository.
        where: the folder or repository, for messages.

    Raises:
        UserError: if the config, weights in a readable format or the vocabulary is missing, if a part of the weights
            is missing, and if there are several configs or checkpoints.
    """
    names = set(names)
    configs = [name for name in names if CONFIG.fullmatch(name)]
    if "config.json" in configs:
        configs = ["config.json"]
    if len(configs) != 1:
        found = ", ".join(sorted(configs)) or "none"
        raise UserError(f"{where}: expected one config.json or bert_config.json, found {found}")
    weights = _weight_files(names, where)
    vocabulary = vocabulary_files(names)
    if vocabulary is None:
        raise UserError(f"{where}: no vocab.txt and no tokenizer.json")
    return EncoderFiles(configs[0], vocabulary, weights)


def _weight_files(names: set[str], where: str) -> list[str]:
    shards = sorted(filter(SHARD.fullmatch, names))
    torch_shards = sorted(filter(TORCH_SHARD.fullmatch, names))
    indexes = sorted(name for name in names if name.endswith(".index"))
    if "model.safetensors" in names:
        return ["model.safetensors"]
    if shards:
        return _complete(shards, SHARD, where)
    if "tf_model.h5" in names:
        return ["tf_model.h5"]
    if len(indexes) > 1:
        raise UserError(f"{where}: expected one checkpoint, found {', '.join(indexes)}")
    if indexes:
        prefix = indexes[0].removesuffix("index") + "data-"
        parts = sorted(name for name in filter(CHECKPOINT.fullmatch, names) if name.startswith(prefix))
        return indexes + _complete(parts, CHECKPOINT, where)
    if "pytorch_model.bin" in names:
        return ["pytorch_model.bin"]
    if torch_shards:
        return _complete(torch_shards, TORCH_SHARD, where)
    raise UserError(f"{where}: no weights; expected {FORMATS}")


def _complete(parts: list[str], pattern: re.Pattern, where: str) -> list[str]:
    first = pattern.fullmatch(parts[0]) if parts else None
    total = int(first[1]) if first else 1
    if len(parts) != total:
        raise UserError(f"{where}: found {len(parts)} of {total} parts of the weights")
    return parts


def check_weights(files: Sequence[Path]) -> None:
    """Raise UserError if a file is truncated or has another format. TensorFlow checkpoints are checked when read."""
    for path in files:
        if path.suffix in (".safetensors", ".h5", ".bin"):
            next(_tensors(path), None)


def read_weights(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return {name in Google's checkpoints: float32 array}.

    Raises UserError for a file that cannot be read, for values that are not finite, and for two different tensors with
    the same name in Google's checkpoints, as in a file with two encoders.
    """
    tensors = {name: (path, value) for path in files for name, value in _tensors(path)}
    prefix = _prefix(tensors)
    weights: dict[str, np.ndarray] = {}
    while tensors:  # the dict shrinks, so that no more than one tensor is in memory twice
        name, (path, value) = tensors.popitem()
        canonical = canonical_name(name.removeprefix(prefix))
        if name.endswith(".weight") and canonical.endswith("/kernel"):
            value = value.T  # PyTorch stores the weight of a Linear layer as [out, in]
        value = np.asarray(value, np.float32)
        if not np.isfinite(value).all():
            raise UserError(f"{path}: {name} has values that are not finite")
        if canonical in weights and not np.array_equal(weights[canonical], value):
            raise UserError(f"{path}: {name} is a second {canonical}; expected the weights of one encoder")
        weights[canonical] = value
    return weights


def _prefix(names: Iterable[str]) -> str:
    """Return what comes before the names of the encoder's tensors, if it is not one of the names of `RENAMINGS`.

    It is known from the word embeddings: "encoder." if they are "encoder.embeddings.word_embeddings.weight". If there
    are two encoders, nobody can know which one is meant.
    """
    found = [match for match in map(EMBEDDINGS.match, names) if match]
    if len(found) != 1 or canonical_name(found[0].string) == WORD_EMBEDDINGS:
        return ""
    return found[0][1]


def canonical_name(name: str) -> str:
    """Translate the name of a tensor in a PyTorch, Keras or TensorFlow file into its name in Google's checkpoints.

    >>> canonical_name("electra.encoder.layer.0.output.LayerNorm.weight")
    'bert/encoder/layer_0/output/LayerNorm/gamma'
    """
    name = _dotted(name)
    for pattern, replacement in RENAMINGS:
        name = pattern.sub(replacement, name)
    return name.replace(".", "/")


def published_name(name: str, model: str) -> str:
    """Translate a name in Google's checkpoints into the name in a model type's "...ForMaskedLM" in `transformers`.

    It is the inverse of `canonical_name`. Raises ValueError if this model type has no such tensor.

    >>> published_name("bert/encoder/layer_0/output/LayerNorm/gamma", "electra")
    'electra.encoder.layer.0.output.LayerNorm.weight'
    """
    published = f"{model} {name.replace('/', '.')}"
    for pattern, replacement in PUBLISHED:
        published = pattern.sub(replacement, published)
    if canonical_name(published) != name:
        raise ValueError(f"{name}: no name in {model}")
    return published


def write_safetensors(weights: dict[str, np.ndarray], model: str, path: Path) -> None:
    """Write a safetensors file that `transformers` and `read_weights` can load.

    If writing fails, an older file with this name is kept. Raises UserError if the disk is full.

    Args:
        weights: {name in Google's checkpoints: array}.
        model: the model type, a key of `common.kinds.KINDS`.
        path: the file to write.
    """
    tensors = {}
    for name, value in weights.items():
        published = published_name(name, model)
        is_linear = published.endswith(".weight") and name.endswith("/kernel")
        tensors[published] = np.ascontiguousarray(value.T if is_linear else value)
    with replaced(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"format": "pt"}))


def write_checkpoint(weights: dict[str, np.ndarray], prefix: Path) -> None:
    """Write {name in Google's checkpoints: array} as a TensorFlow checkpoint: PREFIX.index and PREFIX.data-*."""
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=[*weights],
        shape_and_slices=[""] * len(weights),
        tensors=[*weights.values()],
    )


def _dotted(name: str) -> str:
    return name.removesuffix(":0").replace("_._", ".").replace("/", ".")


def _wanted(names: Iterable[str]) -> list[str]:
    return [name for name in names if not IGNORED.search(_dotted(name))]


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    readers = {".safetensors": _safetensors, ".h5": _hdf5, ".index": _tensorflow, ".bin": _torch}
    try:
        if path.suffix in readers:  # the data files of a TensorFlow checkpoint are read through its index
            yield from readers[path.suffix](path)
    # AttributeError: a dtype that NumPy does not have, such as float8
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: not a readable {path.suffix} file, perhaps truncated: {error}") from error


def _safetensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with safe_open(path, "numpy") as file:
        for name in _wanted(file.keys()):
            yield name, file.get_tensor(name)


def _hdf5(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with h5py.File(path) as file:
        names: list[str] = []

        def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                names.append(name)

        file.visititems(note)
        for name in _wanted(names):
            yield name, file[name][()]


def _tensorflow(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(path.with_suffix("")))
        for name in _wanted(reader.get_variable_to_shape_map()):
            yield name, reader.get_tensor(name)
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _torch(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    tensors = read_tensors(path)
    for name in _wanted(tensors):
        yield name, tensors[name]
