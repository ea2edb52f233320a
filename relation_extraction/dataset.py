"""Turns official DuIE 2.0 records into examples (spans of characters), and these into features (spans of tokens)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from common.folding import find_folded
from common.spans import Span, find, token_span, token_windows
from common.tokenizer import Tokenizer
from occurrences import choose
from records import Labels, find_predicate


class Triple(NamedTuple):
    """An official triple, and where its subject and the slots of its object are. `@value` is always one of them."""

    spo: dict[str, Any]
    subject: Span
    slots: dict[str, Span]

    @property
    def owner(self) -> tuple[Span, str, Span]:
        """What decoding collects slots for."""
        return self.subject, self.spo["predicate"], self.slots["@value"]

    @property
    def spread(self) -> int:
        """The distances of the subject and the other slots to the `@value`, in characters."""
        value, *others = self.slots.values()
        return sum(_distance(value, span) for span in (self.subject, *others))


@dataclass(frozen=True)
class Example:
    text: str
    triples: tuple[Triple, ...]


@dataclass(frozen=True)
class Features:
    """A window of an example. The heads make batches of windows."""

    example: int  # number of the example
    token_ids: np.ndarray  # int32 [n], from [CLS] to [SEP]
    offsets: np.ndarray  # int32 [n, 2], the characters [start, end) of each token; (0, 0) for [CLS] and [SEP]
    relations: np.ndarray  # int32 [r, 5]: label, first and last token of one span, first and last token of the other


def to_example(record: dict[str, Any], counts: Counter[str] | None = None) -> Example:
    """Find the strings of a record in its text, as the data has no offsets.

    The `@value` is taken where its subject and its other slots are nearest, unless a triple that differs only in these
    slots needs that place (occurrences.py). A triple or slot not in the text is left out and counted.
    """
    counts = Counter() if counts is None else counts
    text, places = record["text"], []
    for spo in record["spo_list"]:
        counts["triples"] += 1
        subjects = _occurrences(text, spo["subject"], counts)
        values = _occurrences(text, spo["object"].get("@value", ""), counts)
        if not subjects or not values:
            counts[f"triples lost: {'object' if subjects else 'subject'} not in the text"] += 1
            continue
        others = {slot: _occurrences(text, s, counts) for slot, s in spo["object"].items() if slot != "@value"}
        if [] in others.values():
            counts["slots lost: not in the text"] += list(others.values()).count([])
        places.append([_place(spo, subjects, value, others) for value in values])
        if len(values) > 1:
            places[-1].sort(key=attrgetter("spread", "subject"))
    nearest = [triples[0] for triples in places]
    shared = len({triple.owner for triple in nearest}) < len(nearest)
    return Example(text, tuple(choose(places) if shared else nearest))


def _place(spo: dict[str, Any], subjects: list[Span], value: Span, others: dict[str, list[Span]]) -> Triple:
    near = partial(_distance, value)
    slots = {"@value": value} | {slot: min(spans, key=near) for slot, spans in others.items() if spans}
    return Triple(spo, min(subjects, key=near), slots)


def _occurrences(text: str, string: str, counts: Counter[str]) -> list[Span]:
    """Find a string in a text: as written or, if it is not there, ignoring case, width and white space.

    Book marks around it, which the official metric ignores, are ignored last. A match inside a longer Latin word or
    number is used only if there is no other.
    """
    if string[:1].isspace() or string[-1:].isspace():
        # No token covers white space, so no span can start or end with it. Together with book marks around it the
        # string can be a span, and the official metric strips the marks.
        marked = f"《{string}》"
        string = marked if marked in text else string
    spans = find(text, string)
    if len(spans) > 1:
        return [span for span in spans if not _splits_word(text, *span)] or spans
    if spans:
        return spans
    bare = string[1:-1] if string.startswith("《") and string.endswith("》") else ""
    spans = find_folded(text, string) or find_folded(text, bare)
    counts["strings found only by ignoring case, width, space or book marks"] += bool(spans)
    return spans


def _splits_word(text: str, start: int, end: int) -> bool:
    around = [text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text)]
    return any(both.isascii() and both.isalnum() for both in around)


def _distance(a: Span, b: Span) -> int:
    """Return the characters between two spans. Overlapping ones are far: a name inside another is rarely meant."""
    gap = max(a[0] - b[1], b[0] - a[1])
    return gap if gap >= 0 else 1_000_000 - gap


def to_features(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Labels,
    max_length: int,
    stride: int,
    counts: Counter[str] | None = None,
) -> Iterator[Features]:
    """Cut examples into windows. A relation is in every window that holds both of its spans.

    Args:
        examples: texts, with triples if they are labelled.
        tokenizer: the encoder's tokenizer.
        labels: the labels of relations and ties.
        max_length: tokens of a window at most, [CLS] and [SEP] included.
        stride: tokens from the start of a window to the start of the next.
        counts: counts spans that do not begin and end with a token, and lost triples, slots and relations.
    """
    counts = Counter() if counts is None else counts
    encodings = tokenizer.encode(example.text for example in examples)
    for index, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
        relations = _token_relations(example, encoding.offsets, labels, counts)
        lost = np.ones(len(relations), bool)
        for window in token_windows(encoding, tokenizer, max_length, stride):
            held, inside = window.take(relations)
            lost &= ~held
            yield Features(index, window.token_ids, window.offsets, inside)
        counts["relations lost: fit no window"] += int(np.count_nonzero(lost))


def _token_relations(example: Example, offsets: np.ndarray, labels: Labels, counts: Counter[str]) -> np.ndarray:
    """Return the relations and ties of an example as in `Features.relations`, but between tokens of the whole text."""
    relations = []
    if example.triples:
        starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    for triple in example.triples:
        subject = token_span(triple.subject, starts, ends, counts)
        spans = {slot: token_span(span, starts, ends, counts) for slot, span in triple.slots.items()}
        if subject is None or spans["@value"] is None:
            counts["triples lost: no token in the span"] += 1
            continue
        predicate = find_predicate(labels.schema, triple.spo)
        assert predicate is not None, "the records were read without a schema"
        for slot, span in spans.items():
            key = (predicate, slot)
            if span is None:
                counts["slots lost: no token in the span"] += 1
                continue
            relations.append((labels.relation_id[key], *subject, *span))
            if slot != "@value":
                relations.append((labels.tie_id[key], *spans["@value"], *span))
    return np.array(relations, np.int32).reshape(-1, 5)
