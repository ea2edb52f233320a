"""CLUENER 2020 records -> examples (spans of characters) -> features (spans of tokens). The head makes batches."""

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
    """A text and the (label, characters) of its entities."""

    text: str
    entities: frozenset[tuple[str, Span]]


@dataclass(frozen=True)
class Features:
    """One window of an example. `offsets` [n, 2] are characters; [CLS] and [SEP] hold (0, 0).

    `spans` int32 [s, 3]: label, first and last token.
    """

    example: int
    token_ids: np.ndarray
    offsets: np.ndarray
    spans: np.ndarray


# --- record -> example


def to_example(record: dict[str, Any]) -> Example:
    """A labelled record, whose offsets are right (`records.read_records` sees to it)."""
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
    """Cut examples into windows of at most `max_length` tokens with [CLS] and [SEP], every `stride` tokens.

    A span is in every window that holds it. `counts` gets the spans that token boundaries cut, and what is lost.
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
