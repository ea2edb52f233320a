"""CLUENER 2020 records become examples, with spans of characters, and then features, with spans of tokens.

The head makes batches of the features.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.spans import Span, token_span, token_windows
from common.tokenizer import Tokenizer
from records import entities


@dataclass(frozen=True)
class Example:
    """A text and its entities, each (label, characters)."""

    text: str
    entities: frozenset[tuple[str, Span]]


@dataclass(frozen=True)
class Features:
    """One window of an example.

    Attributes:
        example: the index of the example.
        token_ids: int32 [n], with [CLS] and [SEP].
        offsets: int32 [n, 2], the characters [start, end) of each token. [CLS] and [SEP] have (0, 0).
        spans: int32 [s, 3], each a label, its first and its last token.
    """

    example: int
    token_ids: np.ndarray
    offsets: np.ndarray
    spans: np.ndarray


# --- record -> example


def to_example(record: dict[str, Any]) -> Example:
    """Turn a labelled record into an example. Its offsets must be right, as `records.read_records` ensures."""
    return Example(record["text"], frozenset((label, (first, last + 1)) for label, _, first, last in entities(record)))


# --- example -> features


def to_features(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: list[str],
    max_length: int,
    stride: int,
    counts: Counter[str] | None = None,
) -> Iterator[Features]:
    """Cut examples into windows, and yield each window with the spans that are in it.

    A span is in every window that holds all its tokens.

    Args:
        examples: the texts, each with its entities.
        tokenizer: cuts the texts into tokens.
        labels: the names of the labels. A span holds the index of its label here.
        max_length: the most tokens in a window, [CLS] and [SEP] included.
        stride: tokens from the start of one window to the start of the next.
        counts: gets how many entities there are, how many spans are not on token boundaries, and what is lost.
    """
    counts = Counter() if counts is None else counts
    encodings = tokenizer.encode(example.text for example in examples)
    for index, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
        spans = _token_spans(example, encoding.offsets, labels, counts)
        lost = np.ones(len(spans), bool)
        for window in token_windows(encoding, tokenizer, max_length, stride):
            held, inside = window.take(spans)
            lost &= ~held
            yield Features(index, window.token_ids, window.offsets, inside)
        counts["spans lost: fit no window"] += int(lost.sum())


def _token_spans(example: Example, offsets: np.ndarray, labels: list[str], counts: Counter[str]) -> np.ndarray:
    spans = set()
    if example.entities:
        starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    for label, characters in example.entities:
        counts["entities"] += 1
        span = token_span(characters, starts, ends, counts)
        if span is None:
            counts["entities lost: no token in the span"] += 1
            continue
        spans.add((labels.index(label), *span))
    return np.array(sorted(spans), np.int32).reshape(-1, 3)
