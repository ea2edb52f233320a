"""Spans and windows: from characters to tokens, and from the factors of a pair head back to spans."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from common.tokenizer import Encoding, Tokenizer

Span = tuple[int, int]  # characters [start, end), or first and last token
Factors = Sequence[np.ndarray]  # of a pair head on l tokens: scores [l, l], row_bias and column_bias [labels, l]

# A trained model finds a few spans in a window. The bound is for an untrained one, which may find thousands.
MAX_SPANS = 200


def find(text: str, string: str) -> list[Span]:
    """Find all occurrences of a string, including overlapping ones. An empty string has none."""
    spans, start = [], -1
    while string and (start := text.find(string, start + 1)) >= 0:
        spans.append((start, start + len(string)))
    return spans


class Window(NamedTuple):
    """Tokens [first, end) of a text, after a prefix ([CLS] at least) and before [SEP]. Both have offsets (0, 0)."""

    first: int
    end: int
    token_ids: np.ndarray  # int32 [n]
    offsets: np.ndarray  # int32 [n, 2], characters [start, end) of the text

    def holds(self, tokens: np.ndarray) -> np.ndarray:
        """Tell which rows of `tokens`, int [r, k], have all their tokens in the window: bool [r]."""
        return np.logical_and.reduce((tokens >= self.first) & (tokens < self.end), axis=1)

    def place(self, tokens: np.ndarray) -> np.ndarray:
        """Turn tokens of the text into their positions in `token_ids`."""
        return tokens - self.first + self.prefix_length

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the rows that are in the window. A row of `rows`, int [r, 1 + k], is a label and k tokens of the text.

        Returns a mask of the rows taken, bool [r], and these rows, with positions in `token_ids` for the tokens.
        """
        held = self.holds(rows[:, 1:])
        inside = rows[held]
        inside[:, 1:] = self.place(inside[:, 1:])
        return held, inside

    @property
    def prefix_length(self) -> int:
        return len(self.token_ids) - 1 - (self.end - self.first)


def windows(length: int, size: int, stride: int) -> list[Span]:
    """Cut `length` items into overlapping windows [start, end) of at most `size`, which start every `stride`.

    >>> windows(12, 5, 3)
    [(0, 5), (3, 8), (6, 11), (7, 12)]
    """
    last = max(length - size, 0)
    starts = [*range(0, last, stride), last]
    return [(start, min(start + size, length)) for start in starts]


def token_windows(
    encoding: Encoding, tokenizer: Tokenizer, max_length: int, stride: int, prefix: Sequence[int] | None = None
) -> Iterator[Window]:
    """Cut the tokens of a text into windows, one every `stride` tokens.

    A window starts with `prefix`, by default [CLS], and ends with [SEP]. It has at most `max_length` tokens with both.
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
    """Return the first and last token that overlap the characters of a span, or None if no token does.

    `starts` and `ends` are the characters [start, end) of the tokens. `counts` counts spans not on token boundaries.
    """
    counts = Counter() if counts is None else counts
    first, last = bisect_right(ends, span[0]), bisect_left(starts, span[1]) - 1
    if first > last:
        return None
    counts["spans not on token boundaries"] += starts[first] != span[0] or ends[last] != span[1]
    return first, last


def pair_scores(factors: Factors, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return a pair head's scores [labels, n] of the pairs of tokens (i, j), int [n] each, from its factors."""
    scores, row_bias, column_bias = factors
    return scores[i, j] + row_bias[:, i] + column_bias[:, j]


def best_spans(factors: Factors, length: int, threshold: float) -> np.ndarray:
    """Find the spans that a pair head scores above a threshold: int [n, 3] of (label, first, last).

    If there are more than `MAX_SPANS`, the best are kept. `length` counts the tokens of the window without padding.
    Only pairs that some label could lift above the threshold are scored.
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
    """Turn token spans of a window, int [r, 2k] of k first and last tokens, into character spans by its `offsets`.

    Returns a mask bool [r] of the rows that touch neither [CLS] nor [SEP], and the characters [start, end) of the spans
    in those rows, int [s, 2k].
    """
    inside = np.all((tokens > 0) & (tokens < len(offsets) - 1), axis=1)
    characters = tokens[inside].copy()
    characters[:, ::2], characters[:, 1::2] = offsets[characters[:, ::2], 0], offsets[characters[:, 1::2], 1]
    return inside, characters
