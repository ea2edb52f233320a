"""Turns official DuIE 2.0 records into examples (spans of characters), and these into features (spans of tokens)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from common.folding import find_folded
from common.spans import Span, find, token_span, token_windows
from common.tokenizer import Tokenizer
from records import Labels, find_predicate


@dataclass(frozen=True)
class Triple:
    """A subject, a predicate and the slots of one object. `@value` is always one of them.

    The types are those that the record states. They matter if the schema has several predicates of the same name.
    """

    subject: Span
    predicate: str
    slots: dict[str, Span]
    subject_type: Any = field(default=None, compare=False)
    object_types: Any = field(default=None, compare=False)


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

    If the subject or the `@value` occurs several times, the two that are nearest to each other are taken. Every other
    slot is taken where it is nearest to the `@value`. A triple or slot not in the text is left out and counted.
    """
    counts = Counter() if counts is None else counts
    text, triples = record["text"], []
    for spo in record["spo_list"]:
        counts["triples"] += 1
        subjects = _occurrences(text, spo["subject"], counts)
        values = _occurrences(text, spo["object"].get("@value", ""), counts)
        if not subjects or not values:
            lost = "object" if subjects else "subject"
            counts[f"triples lost: {lost} not in the text"] += 1
            continue
        subject, value = min(product(subjects, values), key=lambda pair: _distance(*pair))
        slots = {"@value": value}
        for slot, string in spo["object"].items():
            if slot != "@value":
                spans = _occurrences(text, string, counts)
                if spans:
                    slots[slot] = min(spans, key=lambda span: _distance(value, span))
                else:
                    counts["slots lost: not in the text"] += 1
        triples.append(Triple(subject, spo["predicate"], slots, spo.get("subject_type"), spo.get("object_type")))
    return Example(text, tuple(triples))


def _occurrences(text: str, string: str, counts: Counter[str]) -> list[Span]:
    """Find a string in a text: as written or, if it is not there, ignoring case, width and white space.

    A match inside a longer Latin word or number is used only if there is no other.
    """
    if string[:1].isspace() or string[-1:].isspace():
        # No token covers white space, so no span can start or end with it. Together with book marks around it the
        # string can be a span, and the official metric strips the marks.
        marked = f"《{string}》"
        string = marked if marked in text else string
    spans = find(text, string)
    if spans:
        return [span for span in spans if not _splits_word(text, *span)] or spans
    spans = find_folded(text, string)
    counts["strings found only by ignoring case, width or space"] += bool(spans)
    return spans


def _splits_word(text: str, start: int, end: int) -> bool:
    return any(0 < at < len(text) and _in_word(text[at - 1]) and _in_word(text[at]) for at in (start, end))


def _in_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _distance(a: Span, b: Span) -> tuple[bool, int]:
    """Return a key that sorts overlapping spans last (a name inside another is rarely meant), else near before far."""
    gap = max(a[0] - b[1], b[0] - a[1])
    return gap < 0, abs(gap)


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
        counts["relations lost: fit no window"] += int(lost.sum())


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
        predicate = find_predicate(labels.schema, triple.predicate, triple.subject_type, triple.object_types)
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
