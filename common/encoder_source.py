"""What is known of an encoder before it is built, and how this is read from a folder of published files.

The config, the vocabulary and the weights come from different files, and do not always fit each other.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from common.checkpoints import OUTPUT_BIAS, WORD_EMBEDDINGS, check_weights, encoder_files, read_weights
from common.cli import UserError
from common.files import read_json
from common.published import to_architecture
from common.tokenizer import Tokenizer
from common.vocabulary import chinese_words, read_tokenizer

# The vocabulary and the embeddings of an encoder may differ by this many tokens, or by a tenth of them if that is more.
SPARE_TOKENS = 1000


class WeightReader(Protocol):
    """Reads weights: {name in Google's checkpoints: float32 array}. Raises UserError for a damaged file."""

    def __call__(self) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class EncoderSource:
    """An encoder that is not built yet: what `resolve_encoder` makes of the `encoder` of a config."""

    name: str  # for messages: the folder, or name and commit on the hub
    architecture: dict[str, Any]  # for `build_encoder`; it can be written as JSON, and is kept in the run folder
    tokenizer: Tokenizer
    weights: WeightReader | None = None  # None for a fresh encoder
    files: tuple[Path, ...] = ()  # the files that `weights` reads
    notes: tuple[str, ...] = ()  # what is unusual about it; `load_pretrained` prints them


def read_folder(folder: Path, name: str) -> EncoderSource:
    """Find out which encoder a folder holds, and check its files. Loads no weights. Raises UserError.

    The vocabulary may have fewer tokens than the encoder has embeddings, or more. `EncoderSource.weights` fits them.
    """
    names = encoder_files((path.name for path in folder.iterdir()), str(folder))
    config = read_json(folder / names.config)
    architecture = to_architecture(config, folder / names.config)
    tokenizer = read_tokenizer(folder, names.vocabulary)
    published, entries = architecture["vocab_size"], tokenizer.vocab_size
    if abs(published - entries) > max(SPARE_TOKENS, published // 10):
        raise UserError(
            f"{folder / names.vocabulary[0]}: {entries} entries, but the encoder has embeddings for {published} "
            f"(vocab_size in {names.config}); is it the vocabulary of another encoder?"
        )
    files = tuple(folder / weight_name for weight_name in names.weights)
    check_weights(files)
    weights = functools.partial(_read, files, bool(config.get("use_task_id")), published, entries)
    notes = tuple(_notes(tokenizer, published))
    return EncoderSource(name, architecture | {"vocab_size": entries}, tokenizer, weights, files, notes)


def _notes(tokenizer: Tokenizer, embeddings: int) -> Iterator[str]:
    """Yield what is unusual about a vocabulary. `embeddings` is the number of tokens that were pretrained."""
    entries, words = tokenizer.vocab_size, len(chinese_words(tokenizer.tokens))
    if entries < embeddings:
        yield f"embeddings that have no token in the vocabulary and are left out: {embeddings - entries}"
    if entries > embeddings:
        yield f"tokens at the end of the vocabulary that have no embeddings and get fresh ones: {entries - embeddings}"
    if twice := [token for token, count in Counter(tokenizer.tokens).items() if count > 1]:
        yield f"tokens that are twice in the vocabulary, where the later line is their id: {' '.join(twice[:5])}"
    if tokenizer.word_level:
        yield f"texts are cut into words; words of several Chinese characters in the vocabulary: {words}"
    elif words:
        yield (
            f"Chinese texts are cut into characters; words in the vocabulary that are never used: {words}; "
            '{"word_level": true} in tokenizer_config.json makes them tokens'
        )


def _read(files: Sequence[Path], use_task_id: bool, published: int, entries: int) -> dict[str, np.ndarray]:
    """Read weights, and fit their `published` tokens to the `entries` of the vocabulary."""
    weights = read_weights(files)
    if f"{WORD_EMBEDDINGS}_2" in weights:
        raise UserError(
            f"{files[0]}: the first form of brightmart's ALBERT ({WORD_EMBEDDINGS}_2, layer_shared), which is not "
            "supported; expected Google's form, such as albert_tiny_google_zh"
        )
    for name in {WORD_EMBEDDINGS, OUTPUT_BIAS} & weights.keys():
        weights[name] = _fit(weights[name], published, entries, f"{files[0]}: {name}")
    if use_task_id:  # ERNIE adds the vector of task 0 to every token: the same as adding it to each segment's
        try:
            task = weights.pop("bert/embeddings/task_type_embeddings")[0]
            weights["bert/embeddings/token_type_embeddings"] += task
        except KeyError as error:
            raise UserError(f"{files[0]}: lacks {error.args[0]}, which its config asks for") from error
    if any(name.startswith("discriminator_predictions/") for name in weights):
        # The head belongs to ELECTRA's generator, and the encoder is the discriminator.
        weights = {name: value for name, value in weights.items() if not name.startswith("cls/")}
    return weights


def _fit(value: np.ndarray, published: int, entries: int, where: str) -> np.ndarray:
    """Leave out the rows without a token, or add rows as a fresh encoder has them."""
    if len(value) != published:
        raise UserError(f"{where} has shape {list(value.shape)}, its config says {[published, *value.shape[1:]]}")
    if entries <= published:
        return value[:entries]
    from common.bert import TruncatedNormal

    fresh = [entries - published, *value.shape[1:]]
    return np.concatenate([value, TruncatedNormal(seed=0)(fresh).numpy() if value.ndim > 1 else np.zeros(fresh)])
