"""Official DuEE 1.0 records become examples, with spans of characters, and then features, with spans of tokens.

The heads make batches of the features.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.spans import Span, token_span, token_windows
from common.tokenizer import Tokenizer
from records import TRIGGER, Labels


@dataclass(frozen=True)
class Event:
    """An event: its type, its trigger (None if only arguments were found) and the (role, span) of its arguments.

    Spans are in characters.
    """

    type: str
    trigger: Span | None
    arguments: frozenset[tuple[str, Span]]


@dataclass(frozen=True)
class Example:
    """A text and its events."""

    text: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Features:
    """One window of an example.

    Attributes:
        example: the index of the example.
        token_ids: int32 [n], with [CLS] and [SEP].
        offsets: int32 [n, 2], the characters [start, end) of each token. [CLS] and [SEP] have (0, 0).
        spans: int32 [s, 3], each a label, its first and its last token.
        links: int32 [k, 5], each the label of an argument, the first and last token of its trigger, and the first and
            last token of the argument.
    """

    example: int
    token_ids: np.ndarray
    offsets: np.ndarray
    spans: np.ndarray
    links: np.ndarray


# --- record -> example


def to_example(record: dict[str, Any]) -> Example:
    """Turn a labelled record into an example. Its offsets must be right, as `records.read_labelled` ensures."""
    return Example(record["text"], tuple(_event(event) for event in record["event_list"]))


def _event(event: dict[str, Any]) -> Event:
    arguments = ((a["role"], _span(a["argument_start_index"], a["argument"])) for a in event["arguments"])
    trigger = _span(event["trigger_start_index"], event["trigger"])
    return Event(event["event_type"], trigger, frozenset(arguments))


def _span(start: int, string: str) -> Span:
    return start, start + len(string)


# --- example -> features


def to_features(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Labels,
    max_length: int,
    stride: int,
    counts: Counter[str] | None = None,
) -> Iterator[Features]:
    """Cut examples into windows, and yield each window with the spans and links that are in it.

    A span is in every window that holds all its tokens, and a link in every window that holds both its spans.

    Args:
        examples: the texts, each with its events.
        tokenizer: cuts the texts into tokens.
        labels: the labels of spans and links.
        max_length: tokens in a window at most, with [CLS] and [SEP].
        stride: tokens from the start of one window to the start of the next.
        counts: counts events and arguments, spans that do not begin and end with a token, and what is lost.
    """
    counts = Counter() if counts is None else counts
    encodings = tokenizer.encode(example.text for example in examples)
    for index, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
        spans, links = _token_spans(example, encoding.offsets, labels, counts)
        lost = {"spans": np.ones(len(spans), bool), "links": np.ones(len(links), bool)}
        for window in token_windows(encoding, tokenizer, max_length, stride):
            inside = {}
            for name, rows in (("spans", spans), ("links", links)):
                held, inside[name] = window.take(rows)
                lost[name] &= ~held
            yield Features(index, window.token_ids, window.offsets, **inside)
        for name, rows in lost.items():
            counts[f"{name} lost: fit no window"] += int(rows.sum())


def _token_spans(
    example: Example, offsets: np.ndarray, labels: Labels, counts: Counter[str]
) -> tuple[np.ndarray, np.ndarray]:
    spans, links = set(), set()
    if example.events:
        starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    for event in example.events:
        counts["events"] += 1
        assert event.trigger is not None, "a labelled event has a trigger"
        trigger = token_span(event.trigger, starts, ends, counts)
        if trigger is None:
            counts["triggers lost: no token in the span"] += 1
        else:
            spans.add((labels.ids[event.type, TRIGGER], *trigger))
        for role, characters in event.arguments:
            counts["arguments"] += 1
            label = labels.ids[event.type, role]
            span = token_span(characters, starts, ends, counts)
            if span is None:
                counts["arguments lost: no token in the span"] += 1
                continue
            spans.add((label, *span))
            if trigger is not None:
                links.add((label, *trigger, *span))
    return np.array(sorted(spans), np.int32).reshape(-1, 3), np.array(sorted(links), np.int32).reshape(-1, 5)
