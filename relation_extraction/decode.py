"""Turns relations between tokens into relations between characters, and these into official records."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from common.spans import Span, text_spans
from dataset import Features
from records import Labels

MAX_OBJECTS = 16  # the most triples with the same subject, predicate and `@value`


class Relation(NamedTuple):
    """A relation or a tie between two spans of characters."""

    label: int
    first: Span
    second: Span


def to_characters(feature: Features, relations: np.ndarray) -> set[Relation]:
    """Turn relations between tokens, int [r, 5], into those between characters. Drop what touches [CLS] or [SEP]."""
    inside, spans = text_spans(relations[:, 1:], feature.offsets)
    return {
        Relation(label, (a, b), (c, d))
        for label, (a, b, c, d) in zip(relations[inside, 0].tolist(), spans.tolist(), strict=True)
    }


def to_record(text: str, relations: Iterable[Relation], labels: Labels, tied: bool = True) -> dict[str, Any]:
    """Return the official record of a text. Its triples are in the order of their subjects, and each comes once.

    Args:
        text: the text of the record.
        relations: what was found in the text, relations and ties.
        labels: the meaning of each label, and the types that the record has to name.
        tied: whether ties decide which `@value` a slot belongs to. A slot without a tie is then left out. If false, as
            for a head that finds no ties, a slot belongs to the nearest `@value`.
    """
    spans: dict[tuple[Span, str, str], list[Span]] = defaultdict(list)
    ties = set()
    for label, first, second in sorted(relations, key=lambda r: (r.first, r.second, r.label)):
        if label < len(labels.relations):
            spans[first, *labels.relations[label]].append(second)
        else:
            ties.add((label, first, second))

    def belongs(span: Span, value: Span, predicate: str, slot: str, values: list[Span]) -> bool:
        if tied:
            return (labels.tie_id[predicate, slot], value, span) in ties
        return value == min(values, key=lambda v: max(v[0] - span[1], span[0] - v[1]))

    triples = {}
    for (subject, predicate, slot), values in spans.items():
        if slot != "@value":
            continue
        for value in values:
            slots = {slot: [value]}
            for other in labels.schema[predicate].object_types:
                if other == "@value":
                    continue
                candidates = spans.get((subject, predicate, other), ())
                own = [span for span in candidates if belongs(span, value, predicate, other, values)]
                if own:
                    slots[other] = own
            for combination in islice(product(*slots.values()), MAX_OBJECTS):
                strings = [text[start:end] for start, end in (subject, *combination)]
                triples[predicate, *zip(("", *slots), strings, strict=True)] = (predicate, slots, strings)
    return {"text": text, "spo_list": [_spo(labels, *triple) for triple in triples.values()]}


def _spo(labels: Labels, predicate: str, slots: Iterable[str], strings: list[str]) -> dict[str, Any]:
    types = labels.schema[predicate]
    return {
        "predicate": types.name,
        "subject": strings[0],
        "subject_type": types.subject_type,
        "object": dict(zip(slots, strings[1:], strict=True)),
        "object_type": {slot: types.object_types[slot] for slot in slots},
    }
