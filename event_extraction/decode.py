"""Scores -> spans and links -> events -> official records."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from common.spans import Span, best_spans, pair_scores, text_spans
from dataset import TRIGGER, Event, Features, Labels

Gather = Callable[[np.ndarray, np.ndarray], np.ndarray]  # int [n], int [n] -> scores [labels, n]
Tokens = tuple[np.ndarray, np.ndarray]  # spans int [s, 3] and links int [k, 5], as in `Features`


class Found(NamedTuple):
    """What was found in a text, in characters: (label, span), and (label of the argument, trigger, argument)."""

    spans: set[tuple[int, Span]]
    links: set[tuple[int, Span, Span]]


def decode_pair(outputs: dict[str, tuple], length: int, labels: Labels, threshold: float) -> Tokens:
    """Spans and links of one window from the factors of the pair heads.

    outputs: for entities, heads and tails the factors (scores [l, l], row_bias [labels, l], column_bias).
    length: tokens of the window without its padding.
    """
    spans = best_spans(outputs["entities"], length, threshold)
    heads, tails = (partial(pair_scores, outputs[name]) for name in ("heads", "tails"))
    return spans, find_links(spans, heads, tails, labels, threshold)


def find_links(spans: np.ndarray, heads: Gather, tails: Gather, labels: Labels, threshold: float) -> np.ndarray:
    """Links the triggers among the spans to the arguments of their type: int [k, 5]. A link holds where the pair of
    first tokens and the pair of last tokens both score above the threshold for the argument's label."""
    is_trigger = labels.trigger[spans[:, 0]] == spans[:, 0]
    triggers, arguments = spans[is_trigger], spans[~is_trigger]
    t, a = np.nonzero(triggers[:, :1] == labels.trigger[arguments[:, 0]])
    label, pair = arguments[a, 0], np.arange(len(a))
    linked = (heads(triggers[t, 1], arguments[a, 1])[label, pair] > threshold) & (
        tails(triggers[t, 2], arguments[a, 2])[label, pair] > threshold
    )
    return np.column_stack([label, triggers[t, 1:], arguments[a, 1:]])[linked]


def tag_spans(tags: np.ndarray, labels: Labels) -> np.ndarray:
    """Spans int [s, 3] of the tags of a window, see `dataset.token_tags`; an inside without a beginning begins."""
    spans, before = [], 0
    for i, tag in enumerate(tags.tolist()):
        if tag % 2 == 0 and tag and before in (tag - 1, tag):
            spans[-1][2] = i
        elif tag:
            spans.append([labels.arguments[(tag - 1) // 2], i, i])
        before = tag
    return np.array(spans, np.int64).reshape(-1, 3)


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
