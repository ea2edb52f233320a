"""Lines of text -> passages (token ids, and where words begin) -> windows -> batches with masks."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from functools import cached_property
from itertools import count, tee
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from common.batching import bucketed_batches, model_inputs, pad
from common.cli import UserError
from common.files import read_lines, replaced
from common.tokenizer import Tokenizer, load_jieba

HELD_OUT = 200  # where there is no dev file, every so many-th passage is one of dev
MASKED = 0.15  # share of the tokens that are to be found
NOISE = 0.1  # share of those that are shown as another token, and as many as themselves; the others as [MASK]
SHORT = 8  # a batch has at most so many times `batch_size` windows


@dataclass(frozen=True)
class Corpus:
    """The tokens of all passages, one after the other: three bytes each, five if the vocabulary has more than 65,536
    entries.
    """

    token_ids: np.ndarray  # uint16 or uint32 [tokens]
    begins_word: np.ndarray  # bool [tokens]: the first of a word
    bounds: np.ndarray  # int64 [passages + 1]: passage i has the tokens from bounds[i] to bounds[i + 1]
    files: np.ndarray  # int64 [passages]: the number of the file


@dataclass(frozen=True)
class Features:
    """One window with [CLS] and [SEP]; `begins_word` bool [n] is true at both."""

    token_ids: np.ndarray
    begins_word: np.ndarray


# --- lines -> passages


@dataclass(frozen=True)
class Text:
    """The lines of files that are not blank. Part "train" is all of them but every 200th of each file, "dev" these."""

    files: list[Path]
    part: Literal["all", "train", "dev"] = "all"

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """(number of the file, passage). Raises UserError: not UTF-8, or a file without a passage."""
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
        """How many passages there are, and a hash of them."""
        passages, digest = 0, hashlib.sha256()
        for number, text in self:
            passages += 1
            digest.update(f"{number} {text}\n".encode())
        return passages, digest.hexdigest()


def read_corpus(text: Text, tokenizer: Tokenizer, cache: Path) -> Corpus:
    """The passages as tokens. jieba needs minutes for 100 MB, so they are kept in `cache` (.npz), too, and read from
    there if it was made of the same text with the same vocabulary.
    """
    _, digest = text.digest
    key = "\n".join([digest, load_jieba().__version__, *tokenizer.tokens])
    names = [field.name for field in fields(Corpus)]
    # a damaged one is made anew
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error), np.load(cache) as arrays:
        if arrays["key"] == key:
            return Corpus(*(arrays[name] for name in names))
    corpus = to_corpus(text, tokenizer)
    with replaced(cache) as temporary, temporary.open("wb") as file:
        np.savez(file, key=key, **{name: getattr(corpus, name) for name in names})
    return corpus


def to_corpus(text: Text, tokenizer: Tokenizer) -> Corpus:
    """The passages as tokens; jieba says where words begin."""
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


class Windows(Sequence):
    """The windows of a corpus, at most `max_length` tokens with [CLS] and [SEP], every `stride` tokens, as features
    that are made when they are asked for.
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
        return self.ends - self.firsts + 2

    def __getitem__(self, index: int) -> Features:
        tokens = slice(self.firsts[index], self.ends[index])
        token_ids = self.corpus.token_ids[tokens].astype(np.int32)
        token_ids = np.concatenate([[self.tokenizer.cls_id], token_ids, [self.tokenizer.sep_id]], dtype=np.int32)
        return Features(token_ids, np.pad(self.corpus.begins_word[tokens], 1, constant_values=True))


def file_weights(files: Sequence[Path], weights: dict[str, float]) -> list[float]:
    """Find the weight of each file. Raises UserError for a pattern that fits none, and if nothing is left."""
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
    """The batches of one pass over the text after the other, int arrays of indices: a pure function of the arguments.

    In a pass a file of n windows and weight w gives about w * n of them; all come once before any comes again.
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
    """Part `number` of an endless row of n items shuffled over and over; each part has about weight * n."""
    first, end = round(weight * n * number), round(weight * n * (number + 1))
    rounds = range(first // max(n, 1), -(-end // max(n, 1)))
    order = [np.random.default_rng((*seed, shuffle)).permutation(n) for shuffle in rounds]
    return np.concatenate([np.zeros(0, np.int64), *order])[first - rounds.start * n :][: end - first]


# --- windows -> batch


def masked_batch(
    features: list[Features], rng: np.random.Generator, tokenizer: Tokenizer, whole_words: float, noise: float = NOISE
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs `token_ids` int32 [batch, length], `positions` int32 [batch, p] of the tokens to be found; and these
    tokens, int32 [batch, p], 0 where a window has fewer. Whole words are chosen with the probability `whole_words`,
    for the batch as a whole; else single tokens.
    """
    inputs = model_inputs(features)
    words = rng.random() < whole_words
    chosen = [choose(feature.begins_word, words, rng) for feature in features]
    tokens = [feature.token_ids[positions] for feature, positions in zip(features, chosen, strict=True)]
    for row, positions, original in zip(inputs["token_ids"], chosen, tokens, strict=True):
        fate = rng.random(len(positions))
        other = rng.integers(1, tokenizer.vocab_size, len(positions))  # not 0, which is padding
        row[positions] = np.select([fate < noise, fate < 2 * noise], [other, original], tokenizer.mask_id)
    return inputs | {"positions": pad(chosen)}, pad(tokens)


def choose(begins_word: np.ndarray, whole_words: bool, rng: np.random.Generator) -> np.ndarray:
    """Positions of about `MASKED` of a window's tokens, at least one, never [CLS] or [SEP]: int32 [p], ascending."""
    n = len(begins_word) - 2
    if not whole_words:
        return np.sort(1 + rng.permutation(n)[: max(1, round(MASKED * n))]).astype(np.int32)
    word = np.cumsum(begins_word[1:-1]) - begins_word[1]  # of each token; the first of a window may begin inside one
    sizes = np.bincount(word)
    order = rng.permutation(len(sizes))
    taken = np.cumsum(sizes[order]) - sizes[order] / 2 < MASKED * n  # a word if more than half of it fits
    taken[0] = True
    return (1 + np.flatnonzero(np.isin(word, order[taken]))).astype(np.int32)
