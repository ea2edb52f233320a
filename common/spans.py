"""Spans and windows: from characters to tokens, and from the factors of a pair head back to spans."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from common.tokenizer import Encoding, Tokenizer

Span = tuple[int, int]  # characters [start, end), or first and last token

# A trained model finds a few spans in a window; the bound keeps an untrained one from drowning in pairs.
MAX_SPANS = 200


def find(text: str, string: str) -> list[Span]:
    """Find all occurrences of a string, overlapping ones too; none of an empty one."""
    if not string:
        return []
    spans = []
    start = text.find(string)
    while start >= 0:
        spans.append((start, start + len(string)))
        start = text.find(string, start + 1)
    return spans


def find_folded(text: str, string: str) -> list[Span]:
    """The same, ignoring case, width and white space."""
    folded, origin = _fold(text)
    return [(origin[start], origin[end - 1] + 1) for start, end in find(folded, _fold(string)[0])]


def _fold(text: str) -> tuple[str, list[int]]:
    """The text without case, width and white space, and where each character of it comes from."""
    folded, origin = [], []
    for i, character in enumerate(text):
        for c in unicodedata.normalize("NFKC", character).casefold():
            if not c.isspace():
                folded.append(c)
                origin.append(i)
    return "".join(folded), origin


class Window(NamedTuple):
    """Tokens [first, end) of a text between a prefix, [CLS] at least, and [SEP], whose offsets hold (0, 0)."""

    first: int
    end: int
    token_ids: np.ndarray  # int32 [n]
    offsets: np.ndarray  # int32 [n, 2], characters

    def holds(self, tokens: np.ndarray) -> np.ndarray:
        """bool [r]: the rows of int [r, k] whose tokens are all in the window."""
        return ((tokens >= self.first) & (tokens < self.end)).all(1)

    def place(self, tokens: np.ndarray) -> np.ndarray:
        """Positions in `token_ids` of tokens of the text."""
        return tokens - self.first + self.prefix_length

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int [r, 1 + k], a label and tokens of the text -> bool [r], which rows are in the window, and those,
        with positions in `token_ids` for the tokens.
        """
        held = self.holds(rows[:, 1:])
        inside = rows[held]
        inside[:, 1:] = self.place(inside[:, 1:])
        return held, inside

    @property
    def prefix_length(self) -> int:
        return len(self.token_ids) - 1 - (self.end - self.first)


def windows(length: int, size: int, stride: int) -> list[Span]:
    """Overlapping windows [start, end) of at most `size` over `length` items, starting every `stride`."""
    last = max(length - size, 0)
    starts = [*range(0, last, stride), last]
    return [(start, min(start + size, length)) for start in starts]


def token_windows(
    encoding: Encoding, tokenizer: Tokenizer, max_length: int, stride: int, prefix: Sequence[int] | None = None
) -> Iterator[Window]:
    """Windows of at most `max_length` tokens with a prefix ([CLS] where none is given) and [SEP], every `stride`
    tokens.
    """
    prefix = [tokenizer.cls_id] if prefix is None else prefix
    for first, end in windows(len(encoding.ids), max_length - len(prefix) - 1, stride):
        token_ids = np.empty(len(prefix) + end - first + 1, np.int32)
        token_ids[: len(prefix)], token_ids[-1] = prefix, tokenizer.sep_id
        token_ids[len(prefix) : -1] = encoding.ids[first:end]
        offsets = np.zeros((len(token_ids), 2), np.int32)
        offsets[len(prefix) : -1] = encoding.offsets[first:end]
        yield Window(first, end, token_ids, offsets)


def token_span(span: Span, starts: list[int], ends: list[int], counts: Counter[str] | None = None) -> Span | None:
    """Find the first and last token that overlap the characters of a span; None where no token does.

    starts, ends: of the tokens. `counts` gets the spans whose ends are not those of tokens.
    """
    counts = Counter() if counts is None else counts
    first, last = bisect_right(ends, span[0]), bisect_left(starts, span[1]) - 1
    if first > last:
        return None
    counts["spans not on token boundaries"] += starts[first] != span[0] or ends[last] != span[1]
    return first, last


def pair_scores(factors: tuple, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The scores [labels, n] of the pairs of tokens (i, j), int [n] each, from the factors of a pair head."""
    scores, row_bias, column_bias = factors
    return scores[i, j] + row_bias[:, i] + column_bias[:, j]


def best_spans(factors: tuple, length: int, threshold: float) -> np.ndarray:
    """What a pair head scores above a threshold, at most the best `MAX_SPANS`: int [n, 3] of (label, first, last).

    factors: (scores [l, l], row_bias [labels, l], column_bias [labels, l]). length: tokens without padding.
    Only the pairs that some label could lift above the threshold are scored.
    """
    scores, row_bias, column_bias = (factor[..., :length] for factor in factors)
    bound = scores[:length] + row_bias.max(0)[:, None] + column_bias.max(0)
    i, j = np.nonzero(bound > threshold)
    found = pair_scores(factors, i, j)
    label, pair = np.nonzero(found > threshold)
    if len(label) > MAX_SPANS:
        best = np.sort(np.argpartition(-found[label, pair], MAX_SPANS)[:MAX_SPANS])
        label, pair = label[best], pair[best]
    return np.column_stack([label, i[pair], j[pair]])


def text_spans(tokens: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int [r, 2k], first and last tokens of k spans -> bool [r], neither [CLS] nor [SEP] is touched, and for those
    the characters [start, end) of each span, int [s, 2k].
    """
    inside = ((tokens > 0) & (tokens < len(offsets) - 1)).all(1)
    characters = tokens[inside].copy()
    characters[:, ::2], characters[:, 1::2] = offsets[characters[:, ::2], 0], offsets[characters[:, 1::2], 1]
    return inside, characters
