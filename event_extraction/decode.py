"""Spans and links between tokens become events, and events become official records."""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from common.spans import Span, text_spans
from dataset import Event, Features
from records import TRIGGER, Labels

Tokens = tuple[np.ndarray, np.ndarray]  # spans int [s, 3] and links int [k, 5], as in `Features`
Arguments = set[tuple[str, Span]]  # (role, characters)


class Found(NamedTuple):
    """The spans and links that were found in a text, in characters.

    A span is (label, characters). A link is (label of the argument, characters of the trigger, characters of the
    argument).
    """

    spans: set[tuple[int, Span]]
    links: set[tuple[int, Span, Span]]


def to_characters(feature: Features, tokens: Tokens, found: Found) -> None:
    """Add the spans and links of a window to those of its text. Those that touch [CLS] or [SEP] are dropped.

    Args:
        feature: the window.
        tokens: its spans and links, in tokens.
        found: what has been found in the text so far. The new spans and links are added to it.
    """
    spans, links = tokens
    inside, characters = text_spans(spans[:, 1:], feature.offsets)
    found.spans.update(zip(spans[inside, 0].tolist(), map(tuple, characters.tolist()), strict=True))
    inside, characters = text_spans(links[:, 1:], feature.offsets)
    found.links.update(
        (label, (a, b), (c, d))
        for label, (a, b, c, d) in zip(links[inside, 0].tolist(), characters.tolist(), strict=True)
    )


def to_events(found: Found, labels: Labels) -> list[Event]:
    """Group spans and links into events, in the order of the text.

    Each trigger is an event with the arguments that are linked to it and belong to its type. An argument without a link
    goes to the nearest trigger of its type. If a type has no trigger, all its arguments are one event.
    """
    by_trigger: dict[str, dict[Span, Arguments]] = defaultdict(dict)  # event type -> trigger -> its arguments
    for label, span in sorted(found.spans, key=lambda item: item[1]):
        event_type, role = labels.names[label]
        if role == TRIGGER:
            by_trigger[event_type][span] = set()
    without_trigger: dict[str, Arguments] = defaultdict(set)
    linked: dict[tuple[int, Span], list[Span]] = defaultdict(list)  # argument -> triggers
    for label, trigger, span in found.links:
        linked[label, span].append(trigger)
    for label, span in found.spans:
        event_type, role = labels.names[label]
        if role == TRIGGER:
            continue
        arguments_of = by_trigger[event_type]
        triggers = [trigger for trigger in linked[label, span] if trigger in arguments_of]
        if not triggers and arguments_of:
            triggers = [min(arguments_of, key=partial(_distance, span))]
        for trigger in triggers:
            arguments_of[trigger].add((role, span))
        if not triggers:
            without_trigger[event_type].add((role, span))
    events = [
        Event(event_type, trigger, frozenset(arguments))
        for event_type, arguments_of in by_trigger.items()
        for trigger, arguments in arguments_of.items()
    ]
    events += [Event(event_type, None, frozenset(arguments)) for event_type, arguments in without_trigger.items()]
    return sorted(events, key=lambda event: (_place(event), event.type))


def _distance(a: Span, b: Span) -> int:
    """Return how many characters lie between two spans. The number is negative if they overlap."""
    return max(a[0] - b[1], b[0] - a[1])


def _place(event: Event) -> Span:
    return event.trigger or min(span for _, span in event.arguments)


def to_record(record_id: str, text: str, events: Iterable[Event]) -> dict[str, Any]:
    """Return the official record, with the arguments of an event in the order of the text.

    Each (role, string) of an event is in it once.
    """
    event_list = []
    for event in events:
        arguments = dict.fromkeys(
            (role, text[start:end]) for role, (start, end) in sorted(event.arguments, key=lambda item: item[::-1])
        )
        event_list.append({
            "event_type": event.type,
            "arguments": [{"role": role, "argument": string} for role, string in arguments],
        })  # fmt: skip
    return {"id": record_id, "event_list": event_list}
