"""Official DuEE 1.0 records -> examples (spans of characters) -> features (spans of tokens) -> batches."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from common.batching import model_inputs, pad
from common.spans import Span, token_span, token_windows
from common.tokenizer import Tokenizer
from records import Schema

TRIGGER = ""  # the role of a trigger; no role of the schema has this name


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


@dataclass(frozen=True)
class Labels:
    """What a span can be: the trigger of an event type, or the argument in a role of it. A link from a trigger to an
    argument has the label of the argument."""

    schema: Schema

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        return [(name, role) for name, roles in self.schema.items() for role in (TRIGGER, *roles)]

    @cached_property
    def ids(self) -> dict[tuple[str, str], int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def trigger(self) -> np.ndarray:
        """int [labels]: of each label the trigger of its event type."""
        return np.array([self.ids[event_type, TRIGGER] for event_type, _ in self.names])

    @cached_property
    def arguments(self) -> list[int]:
        """The labels that are none of a trigger."""
        return [i for i, (_, role) in enumerate(self.names) if role != TRIGGER]

    def __len__(self) -> int:
        return len(self.names)


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
    counts: Counter,
) -> Iterator[Features]:
    """Windows of at most `max_length` tokens with [CLS] and [SEP], every `stride` tokens. A span, and a link with both
    its spans, is in every window that holds it; `counts` has the spans cut by token boundaries and what is lost."""
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
    example: Example, offsets: np.ndarray, labels: Labels, counts: Counter
) -> tuple[np.ndarray, np.ndarray]:
    spans, links = set(), set()
    starts, ends = (offsets[:, 0].tolist(), offsets[:, 1].tolist()) if example.events else ([], [])
    for event in example.events:
        counts["events"] += 1
        trigger = token_span(event.trigger, starts, ends, counts)
        if trigger is None:
            counts["triggers lost: no token in the span"] += 1
        else:
            spans.add((labels.ids[event.type, TRIGGER], *trigger))
        for role, characters in event.arguments:
            counts["arguments"] += 1
            label, span = labels.ids[event.type, role], token_span(characters, starts, ends, counts)
            if span is None:
                counts["arguments lost: no token in the span"] += 1
                continue
            spans.add((label, *span))
            if trigger is not None:
                links.add((label, *trigger, *span))
    return np.array(sorted(spans), np.int32).reshape(-1, 3), np.array(sorted(links), np.int32).reshape(-1, 5)


# --- features -> batch


def pair_batch(features: list[Features], _rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Inputs and labels of the pair head: for each of its three matrices the positives int32 [batch, p, 3] of
    (label, i, j), padded with -1. `heads` and `tails` link the first and the last tokens of trigger and argument."""
    positives = {
        "entities": [feature.spans for feature in features],
        "heads": [feature.links[:, [0, 1, 3]] for feature in features],
        "tails": [feature.links[:, [0, 2, 4]] for feature in features],
    }
    return model_inputs(features), {name: pad(arrays, -1) for name, arrays in positives.items()}


def crf_batch(features: list[Features], _rng: np.random.Generator, labels: Labels) -> tuple[dict, dict]:
    """Inputs and labels of the CRF: `tags` int32 [batch, length], see `token_tags`."""
    return model_inputs(features), {"tags": pad([token_tags(feature, labels) for feature in features])}


def token_tags(feature: Features, labels: Labels) -> np.ndarray:
    """Arguments as one tag for each token, int32 [n]: 0 outside, 1 + 2 k at the beginning of a span of the k-th
    argument label, 2 + 2 k inside. Of overlapping spans the one that starts first is kept, of these the longest."""
    tags = np.zeros(len(feature.token_ids), np.int32)
    kind = {label: k for k, label in enumerate(labels.arguments)}
    for label, first, last in sorted(feature.spans.tolist(), key=lambda span: (span[1], -span[2], span[0])):
        if label in kind and not tags[first : last + 1].any():
            tags[first], tags[first + 1 : last + 1] = 1 + 2 * kind[label], 2 + 2 * kind[label]
    return tags


def count_untagged(features: Iterable[Features], labels: Labels) -> int:
    """How many arguments have no tags of their own, because they overlap another."""
    return sum(
        int(np.isin(feature.spans[:, 0], labels.arguments).sum() - (token_tags(feature, labels) % 2).sum())
        for feature in features
    )


BATCHES = {"pair": pair_batch, "crf": crf_batch}
