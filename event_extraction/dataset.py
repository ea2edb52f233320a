"""Official DuEE 1.0 records -> examples (spans of characters) -> features (spans of tokens). The heads make batches."""

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
    """A type, a trigger (None where only arguments were found) and the (role, span) of the arguments."""

    type: str
    trigger: Span | None
    arguments: frozenset[tuple[str, Span]]


@dataclass(frozen=True)
class Example:
    text: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Features:
    """One window of an example. `offsets` [n, 2] are characters; [CLS] and [SEP] hold (0, 0).

    `spans` int32 [s, 3]: label, first and last token. `links` int32 [k, 5]: label of an argument, first and last
    token of its trigger, first and last token of the argument.
    """

    example: int
    token_ids: np.ndarray
    offsets: np.ndarray
    spans: np.ndarray
    links: np.ndarray


# --- record -> example


def to_example(record: dict[str, Any]) -> Example:
    """A labelled record, whose offsets are right (`records.read_labelled` sees to it)."""
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
    """Cut examples into windows of at most `max_length` tokens with [CLS] and [SEP], every `stride` tokens.

    A span, and a link with both its spans, is in every window that holds it. `counts` gets the spans that token
    boundaries cut, and what is lost.
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
