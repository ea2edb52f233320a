"""Spans and links between tokens -> events -> official records."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from common.spans import Span, text_spans
from dataset import Event, Features
from records import TRIGGER, Labels

Tokens = tuple[np.ndarray, np.ndarray]  # spans int [s, 3] and links int [k, 5], as in `Features`


class Found(NamedTuple):
    """What was found in a text, in characters: (label, span), and (label of the argument, trigger, argument)."""

    spans: set[tuple[int, Span]]
    links: set[tuple[int, Span, Span]]


def to_characters(feature: Features, tokens: Tokens, found: Found) -> None:
    """Adds the spans and links between the tokens of a window; what touches [CLS] or [SEP] is dropped."""
    spans, links = tokens
    inside, characters = text_spans(spans[:, 1:], feature.offsets)
    found.spans.update(zip(spans[inside, 0].tolist(), map(tuple, characters.tolist()), strict=True))
    inside, characters = text_spans(links[:, 1:], feature.offsets)
    found.links.update(
        (label, (a, b), (c, d))
        for label, (a, b, c, d) in zip(links[inside, 0].tolist(), characters.tolist(), strict=True)
    )


def to_events(found: Found, labels: Labels) -> list[Event]:
    """One event for each trigger, with the arguments of its type linked to it, in the order of the text.

    An argument without a link goes to the nearest trigger of its type; those of a type without a trigger are an event
    of their own.
    """
    triggers: dict[str, dict[Span, set]] = defaultdict(dict)
    for label, span in sorted(found.spans, key=lambda item: item[1]):
        event_type, role = labels.names[label]
        if role == TRIGGER:
            triggers[event_type][span] = set()
    untriggered: dict[str, set] = defaultdict(set)
    linked = defaultdict(list)
    for label, trigger, span in found.links:
        linked[label, span].append(trigger)
    for label, span in found.spans:
        event_type, role = labels.names[label]
        if role == TRIGGER:
            continue
        of_type = triggers[event_type]
        own = [trigger for trigger in linked[label, span] if trigger in of_type]
        if not own and of_type:
            own = [min(of_type, key=lambda trigger, span=span: max(trigger[0] - span[1], span[0] - trigger[1]))]
        for trigger in own:
            of_type[trigger].add((role, span))
        if not own:
            untriggered[event_type].add((role, span))
    events = [
        Event(event_type, trigger, frozenset(arguments))
        for event_type, of_type in triggers.items()
        for trigger, arguments in of_type.items()
    ]
    events += [Event(event_type, None, frozenset(arguments)) for event_type, arguments in untriggered.items()]
    return sorted(events, key=lambda event: (_place(event), event.type))


def _place(event: Event) -> Span:
    return event.trigger or min(span for _, span in event.arguments)


def to_record(record_id: str, text: str, events: Iterable[Event]) -> dict[str, Any]:
    """The official record: the arguments of an event in the order of the text, each (role, string) once."""
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
