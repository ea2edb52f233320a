"""Turns texts into token ids with character offsets: WordPiece, as in bert4keras' Tokenizer.

The ids are bert4keras' for every character that Python knows, and no TensorFlow is needed. All texts of a batch are cut
as one text. Nearly all words of Chinese are single characters, so looking up cached words and counting offsets in NumPy
is faster than Hugging Face's tokenizers. Their Unicode tables are also older than Python's.
"""

import functools
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Self, cast

import numpy as np

from common.files import atomic_write
from common.tokens import SPECIAL_TOKENS, check_tokens, read_tokens

PIECE_BYTES = 12  # int32 id, start and end of a piece
TEXTS_TOGETHER = 512  # texts in a batch; more would not fit into the processor's caches
MAX_WORD_LENGTH = 200  # a longer word is one [UNK], as in Google's BERT
CJK_RANGES = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class Encoding(NamedTuple):
    """The tokens of one text, without [CLS] and [SEP]."""

    ids: np.ndarray  # int32 [n]
    offsets: np.ndarray  # int32 [n, 2]: first character and one past the last, in the original text


class Tokenizer:
    """WordPiece over lower-cased text without accents, or over the text as it is if not `lower_case`.

    With `word_level`, jieba first cuts the text into words, and each word in the vocabulary becomes one token
    (WoBERT, github.com/ZhuiyiTechnology/WoBERT). If a token is in the vocabulary twice, its id is the later one.
    """

    def __init__(self, tokens: Sequence[str], word_level: bool = False, lower_case: bool = True):
        self.tokens = list(tokens)
        self.vocab_size = len(self.tokens)
        self.word_level = word_level
        self.lower_case = lower_case
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        special = cast(list[int], [self._ids.get(token) for token in SPECIAL_TOKENS])  # `check_tokens` makes sure
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = special
        self._pieces = functools.lru_cache(maxsize=100_000)(self._word_pieces)

    @classmethod
    def from_vocab(cls, path: str | Path, word_level: bool = False, lower_case: bool = True) -> Self:
        """Read a `vocab.txt`, see `read_tokens`. Raises UserError as `read_tokens` and `check_tokens` do."""
        tokens = read_tokens(path)
        check_tokens(tokens, path)
        return cls(tokens, word_level, lower_case)

    def save(self, path: str | Path) -> None:
        """Write the vocabulary, one token per line."""
        with atomic_write(path) as file:
            file.writelines(f"{token}\n" for token in self.tokens)

    def encode(self, texts: Iterable[str]) -> Iterator[Encoding]:
        """Yield the tokens of each text, with few texts in memory at a time."""
        texts = iter(texts)
        while batch := list(itertools.islice(texts, TEXTS_TOGETHER)):
            yield from self.encode_batch(batch)

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Return the tokens of each text. A text that is empty or has only white space gets none."""
        spaced, origin = self._spaced("\n".join(texts))  # a line break separates words and becomes no token
        in_word = np.frombuffer(f" {spaced}".encode("utf-32-le", "surrogatepass"), np.uint32) != ord(" ")
        word_starts = np.flatnonzero(in_word[1:] > in_word[:-1])

        pieces = list(map(self._pieces, spaced.split()))
        ids, starts, ends = np.frombuffer(b"".join(pieces), np.int32).reshape(-1, 3).T
        word_starts = np.repeat(word_starts, np.fromiter(map(len, pieces), np.int64) // PIECE_BYTES)
        starts, ends = origin[word_starts + starts], origin[word_starts + ends - 1] + 1
        offsets = np.stack([starts, ends], axis=1).astype(np.int32)

        text_starts = np.cumsum([0] + [len(text) + 1 for text in texts])
        bounds = itertools.pairwise(np.searchsorted(starts, text_starts).tolist())
        return [
            Encoding(ids[first:last].copy(), offsets[first:last] - shift)
            for (first, last), shift in zip(bounds, text_starts.tolist(), strict=False)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Join tokens to a text, with spaces only between words of letters or digits that are not Chinese."""
        text = ""
        for token in (self.tokens[i] for i in ids):
            if token.startswith("##") and len(token) > 2:
                text += token[2:]
            else:
                apart = text and all(char.isalnum() and _spaced(char) == char for char in (text[-1], token[0]))
                text += f" {token}" if apart else token
        return text

    def _spaced(self, text: str) -> tuple[str, np.ndarray]:
        """Put spaces between the words of a text. Also returns the place in `text` that each character comes from."""
        text = _lower(text) if self.lower_case else text
        spaced_char = _spaced if self.lower_case else _apart
        if not self.word_level:
            return _join(list(map(spaced_char, text)))
        bare, origin = _join(list(map(_bare, text) if self.lower_case else text))
        parts = []
        for word in load_jieba().cut(bare, HMM=False):
            word_parts = list(word if word in self._ids else map(spaced_char, word))
            word_parts[0] = " " + word_parts[0]
            word_parts[-1] += " "
            parts += word_parts
        spaced, bare_origin = _join(parts)
        return spaced, origin[bare_origin]

    def _word_pieces(self, word: str) -> bytes:
        """Cut a word by greedy longest match: int32 id, start and end of each piece, or of one [UNK] if that fails."""
        pieces: list[int] = []
        start = 0
        while start < len(word) <= MAX_WORD_LENGTH:
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                if (token_id := self._ids.get(prefix + word[start:end])) is not None:
                    break
            else:
                break
            pieces += token_id, start, end
            start = end
        if start < len(word):
            pieces = [self.unk_id, 0, len(word)]
        return np.array(pieces, np.int32).tobytes()  # bytes are cheap to cache and to join


def words(text: str) -> list[str]:
    """Split a text into the words that WordPiece cuts, in lower case and without accents.

    >>> words("Café 2020年。")
    ['cafe', '2020', '年', '。']
    """
    return "".join(map(_spaced, _lower(text))).split()


def _lower(text: str) -> str:
    """Turn a text into lower case, character for character ("İ" alone would become two)."""
    return text.replace("İ", "i").lower()


@functools.cache
def _bare(char: str) -> str:
    """Strip a character of its accents. An accent becomes nothing, and a Hangul syllable several characters."""
    return "".join(c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn")


@functools.cache
def _spaced(char: str) -> str:
    """Return what a character becomes without its accents: itself, itself between spaces, a space, or nothing."""
    return "".join(map(_apart, _bare(char)))


@functools.cache
def _apart(char: str) -> str:
    """Return what a character becomes with its accents, as `_spaced` does."""
    category = unicodedata.category(char)
    is_cjk = any(first <= ord(char) <= last for first, last in CJK_RANGES)
    if is_cjk or category[0] == "P" or char in "$+<=>^`|~":
        return f" {char} "
    if category[0] == "Z" or char in "\t\n\r":
        return " "
    return "" if category in ("Cc", "Cf") or char == "\ufffd" else char


def _join(parts: list[str]) -> tuple[str, np.ndarray]:
    """Join parts to one text. Also returns the index of the part that each of its characters comes from."""
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    return "".join(parts), np.repeat(np.arange(len(parts)), lengths)


@functools.cache
def load_jieba() -> ModuleType:
    """Load jieba, which takes a while, without the messages that it would print on standard error."""
    import logging
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which is deprecated
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba
