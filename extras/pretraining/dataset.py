"""Turns lines of text into passages (token ids, and where words begin), windows, and batches with masks."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from functools import cached_property
from itertools import count, tee
from pathlib import Path
from typing import Literal, overload
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from common.batching import bucketed_batches, model_inputs, pad_positives
from common.cli import UserError
from common.files import read_lines, replaced
from common.inference import MAX_TOKENS, length_sorted_batches
from common.tokenizer import Tokenizer, load_jieba

HELD_OUT = 200  # without a dev file, one passage in 200 of each file belongs to dev
MASKED = 0.15  # share of the tokens that are to be found
NOISE = 0.1  # this share of them is shown as a random token, the same share unchanged, and the rest as [MASK]
SHORT = 8  # a batch has at most this many times `batch_size` windows, however short they are


@dataclass(frozen=True)
class Corpus:
    """The tokens of all passages, one after the other.

    A token takes three bytes, or five if the vocabulary has more than 65,536 entries.
    """

    token_ids: np.ndarray  # uint16 or uint32 [tokens]
    begins_word: np.ndarray  # bool [tokens]: whether the token is the first of a word
    bounds: np.ndarray  # int64 [passages + 1]: passage i has the tokens from bounds[i] to bounds[i + 1]
    files: np.ndarray  # int64 [passages]: the number of the file that the passage is from


@dataclass(frozen=True)
class Features:
    """One window with [CLS] and [SEP]."""

    token_ids: np.ndarray  # int32 [n]
    begins_word: np.ndarray  # bool [n]: also true at [CLS] and [SEP]


# --- lines -> passages


@dataclass(frozen=True)
class Text:
    """The passages of files. A passage is a line that is not blank, without the white space at its ends.

    Part "dev" has every 200th passage of each file. Part "train" has the others, and part "all" has both.
    """

    files: list[Path]
    part: Literal["all", "train", "dev"] = "all"

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield (number of the file, passage). Raise UserError if a file is not UTF-8 or has no passage."""
        for number, path in enumerate(self.files):
            passages = 0
            for _, line in read_lines(path):
                if text := line.strip():
                    passages += 1
                    held_out = passages % HELD_OUT == 0
                    if self.part == "all" or held_out == (self.part == "dev"):
                        yield number, text
            if not passages:
                raise UserError(f"{path}: only blank lines, expected one passage per line")

    @cached_property
    def digest(self) -> tuple[int, str]:
        """The number of passages, and a hash of them and of their file numbers."""
        passages, digest = 0, hashlib.sha256()
        for number, text in self:
            passages += 1
            digest.update(f"{number} {text}\n".encode())
        return passages, digest.hexdigest()


def read_corpus(text: Text, tokenizer: Tokenizer, cache: Path) -> Corpus:
    """Cut the passages into tokens, and keep these in the file `cache` (.npz), as jieba needs minutes for 100 MB.

    If `cache` was made from the same text with the same vocabulary and version of jieba, the tokens are read from it.
    """
    _, digest = text.digest
    key = "\n".join([digest, load_jieba().__version__, *tokenizer.tokens])
    names = [field.name for field in fields(Corpus)]
    # A damaged cache is replaced.
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error), np.load(cache) as arrays:
        if arrays["key"] == key:
            return Corpus(*(arrays[name] for name in names))
    corpus = to_corpus(text, tokenizer)
    with replaced(cache) as temporary, temporary.open("wb") as file:
        np.savez(file, key=key, **{name: getattr(corpus, name) for name in names})
    return corpus


def to_corpus(text: Text, tokenizer: Tokenizer) -> Corpus:
    """Cut the passages into tokens. Words begin where jieba says so."""
    cut = load_jieba().cut
    inner = np.array([token.startswith("##") for token in tokenizer.tokens])
    dtype = np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32
    token_ids, begins_word, files = [np.zeros(0, dtype)], [np.zeros(0, bool)], []
    passages, again = tee(tqdm(text, desc="cutting", total=text.digest[0], unit=" passages"))
    encodings = tokenizer.encode(passage for _, passage in again)
    for (number, passage), encoding in zip(passages, encodings, strict=True):
        ends = np.cumsum([len(word) for word in cut(passage)])
        words = np.searchsorted(ends, encoding.offsets[:, 0], "right")
        token_ids.append(encoding.ids.astype(dtype))
        begins_word.append((np.diff(words, prepend=-1) > 0) & ~inner[encoding.ids])
        files.append(number)
    bounds = np.cumsum([*map(len, token_ids)])
    return Corpus(np.concatenate(token_ids), np.concatenate(begins_word), bounds, np.array(files, np.int64))


# --- passages -> windows


class Windows(Sequence[Features]):
    """The windows of a corpus as features. Each is made when it is asked for.

    A window starts every `stride` tokens of a passage. It has at most `max_length` tokens with [CLS] and [SEP]. A
    passage without tokens has no window.
    """

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, max_length: int, stride: int):
        self.corpus, self.tokenizer = corpus, tokenizer
        sizes = np.diff(corpus.bounds)
        last = np.maximum(sizes - (max_length - 2), 0)  # where the last window begins
        counts = np.where(sizes > 0, -(-last // stride) + 1, 0)
        passages = np.repeat(np.arange(len(sizes)), counts)
        number = np.arange(len(passages)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.firsts = corpus.bounds[passages] + np.minimum(number * stride, last[passages])
        self.ends = np.minimum(self.firsts + max_length - 2, corpus.bounds[passages + 1])
        self.files = corpus.files[passages]

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each window with [CLS] and [SEP], int64 [windows]."""
        return self.ends - self.firsts + 2

    @overload
    def __getitem__(self, index: int) -> Features: ...

    @overload
    def __getitem__(self, index: slice) -> list[Features]: ...

    def __getitem__(self, index: int | slice) -> Features | list[Features]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        tokens = slice(self.firsts[index], self.ends[index])
        token_ids = self.corpus.token_ids[tokens].astype(np.int32)
        token_ids = np.concatenate([[self.tokenizer.cls_id], token_ids, [self.tokenizer.sep_id]], dtype=np.int32)
        return Features(token_ids, np.pad(self.corpus.begins_word[tokens], 1, constant_values=True))


def file_weights(files: Sequence[Path], weights: dict[str, float]) -> list[float]:
    """Find the weight of each file. Raise UserError if a pattern fits no file, or if all weights are 0."""
    for pattern in weights:
        if not any(fnmatch(file.name, pattern) for file in files):
            raise UserError(f"weights: no train file is called {pattern}")

    def weight_of(file: Path) -> float:
        for pattern, weight in weights.items():
            if fnmatch(file.name, pattern):
                return weight
        return 1.0

    found = [weight_of(file) for file in files]
    if not any(found):
        raise UserError("weights: all train files have the weight 0")
    return found


def passes(
    windows: Windows, weights: Sequence[float], batch_size: int, max_length: int, seed: int
) -> Iterator[list[np.ndarray]]:
    """Yield pass after pass over the text, without end, each as a list of batches that depend only on the arguments.

    A file with n windows and weight w gives about w * n of them to each pass. All of its windows come once before any
    of them comes again.

    Args:
        windows: the windows of the text.
        weights: the weight of each file.
        batch_size: windows of `max_length` tokens in a batch. See `SHORT` for shorter ones.
        max_length: the most tokens of a window.
        seed: the seed of the run.

    Yields:
        For each pass a list of batches, int64 arrays of the indices of their windows.
    """
    of_file = [np.flatnonzero(windows.files == number) for number in range(len(weights))]
    for number in count():
        items = np.concatenate([
            own[sample(len(own), weight, (seed, file), number)]
            for file, (own, weight) in enumerate(zip(of_file, weights, strict=True))
        ])  # fmt: skip
        batches = bucketed_batches(windows.lengths[items], SHORT * batch_size, seed, number, batch_size * max_length)
        yield [items[batch] for batch in batches]


def sample(n: int, weight: float, seed: tuple[int, ...], number: int) -> np.ndarray:
    """Return one part of an endless sequence in which n items come in a new random order again and again.

    Together, two parts of weight 0.5 have each item once:

    >>> parts = [sample(6, 0.5, seed=(42,), number=number) for number in (0, 1)]
    >>> sorted(np.concatenate(parts).tolist())
    [0, 1, 2, 3, 4, 5]

    Args:
        n: number of items.
        weight: each part has about weight * n items.
        seed: determines the sequence.
        number: which part is asked for, from 0.
    """
    first, end = round(weight * n * number), round(weight * n * (number + 1))
    rounds = range(first // max(n, 1), -(-end // max(n, 1)))
    order = [np.random.default_rng((*seed, shuffle)).permutation(n) for shuffle in rounds]
    return np.concatenate([np.zeros(0, np.int64), *order])[first - rounds.start * n :][: end - first]


# --- windows -> batch


def dev_batches(windows: Windows) -> Iterator[tuple[list[Features], np.random.Generator]]:
    """Yield the windows in batches for scoring, each with what draws its masks: the same ones every time."""
    for number, batch in enumerate(length_sorted_batches(windows.lengths, MAX_TOKENS, MAX_TOKENS)):
        yield [windows[i] for i in batch], np.random.default_rng(number)


def masked_batch(
    features: list[Features], rng: np.random.Generator, tokenizer: Tokenizer, whole_words: float, noise: float = NOISE
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Choose tokens of each window that are to be found, and make the inputs and targets of a batch.

    Args:
        features: the windows.
        rng: draws the tokens and what is shown in their place.
        tokenizer: the encoder's tokenizer.
        whole_words: the probability that whole words are chosen, in all windows of the batch. Otherwise single tokens
            are chosen.
        noise: see `NOISE`.

    Returns:
        The inputs are `token_ids` int32 [batch, length], as shown, and `positions` int32 [batch, p] of the tokens to be
        found. The targets are these tokens, int32 [batch, p]. If a window has fewer than p, its rows end with 0.
    """
    inputs = model_inputs(features)
    words = rng.random() < whole_words
    chosen = [choose(feature.begins_word, words, rng) for feature in features]
    tokens = [feature.token_ids[positions] for feature, positions in zip(features, chosen, strict=True)]
    for row, positions, original in zip(inputs["token_ids"], chosen, tokens, strict=True):
        fate = rng.random(len(positions))
        other = rng.integers(1, tokenizer.vocab_size, len(positions))  # not 0, which is padding
        row[positions] = np.select([fate < noise, fate < 2 * noise], [other, original], tokenizer.mask_id)
    padded = pad_positives({"positions": chosen, "tokens": tokens}, 0)
    return inputs | {"positions": padded["positions"]}, padded["tokens"]


def choose(begins_word: np.ndarray, whole_words: bool, rng: np.random.Generator) -> np.ndarray:
    """Choose about the share `MASKED` of a window's tokens, but at least one, and never [CLS] or [SEP].

    Args:
        begins_word: bool [n], as in `Features`.
        whole_words: choose all tokens of a word or none of them.
        rng: draws the tokens.

    Returns:
        Their positions, int32 [p], ascending.
    """
    n = len(begins_word) - 2
    if not whole_words:
        return np.sort(1 + rng.permutation(n)[: max(1, round(MASKED * n))]).astype(np.int32)
    # The number of each token's word. A window may begin inside a word.
    word = np.cumsum(begins_word[1:-1]) - begins_word[1]
    sizes = np.bincount(word)
    order = rng.permutation(len(sizes))
    taken = np.cumsum(sizes[order]) - sizes[order] / 2 < MASKED * n  # a word is taken if more than half of it fits
    taken[0] = True
    return (1 + np.flatnonzero(np.isin(word, order[taken]))).astype(np.int32)
