"""Scores -> spans and relations -> official records."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from common.spans import MAX_SPANS, Span, best_spans, pair_scores, text_spans
from dataset import Features, Labels

MAX_OBJECTS = 16  # of one subject, predicate and `@value`

Gather = Callable[[np.ndarray, np.ndarray], np.ndarray]  # int [n], int [n] -> scores [labels, n]


class Relation(NamedTuple):
    """A relation or a tie between two spans of characters."""

    label: int
    first: Span
    second: Span


def decode_pair(outputs: dict[str, tuple], length: int, labels: Labels, threshold: float) -> np.ndarray:
    """Relations of one window from the factors of the pair heads: int32 [r, 5] as in `Features.relations`.

    outputs: for entities, heads and tails the factors (scores [l, l], row_bias [labels, l], column_bias).
    length: tokens of the window without its padding.
    """
    entities = best_spans(outputs["entities"], length, threshold)
    heads, tails = (partial(pair_scores, outputs[name]) for name in ("heads", "tails"))
    return find_relations(entities, heads, tails, labels, threshold)


def find_relations(entities: np.ndarray, heads: Gather, tails: Gather, labels: Labels, threshold: float) -> np.ndarray:
    """Looks only at the pairs between the few spans found: a relation holds where the pair of first tokens and the
    pair of last tokens both score above the threshold.

    entities: int [s, 3] of (0 subject or 1 object, first, last). heads, tails: scores of all labels for given pairs.
    """
    subjects, objects = (entities[entities[:, 0] == kind, 1:] for kind in (0, 1))
    n = len(labels.relations)
    relations = _link(subjects, objects, heads, tails, slice(0, n), threshold)
    slots = np.unique(relations[:, 3:5], axis=0)
    ties = _link(slots, slots, heads, tails, slice(n, None), threshold)
    return np.concatenate([relations, ties])


def _link(a: np.ndarray, b: np.ndarray, heads: Gather, tails: Gather, wanted: slice, threshold: float) -> np.ndarray:
    """Relations of the wanted labels between spans a [m, 2] and b [n, 2]: int32 [r, 5]."""
    if not len(a) or not len(b):
        return np.zeros((0, 5), np.int32)
    i, j = (index.ravel() for index in np.indices((len(a), len(b))))
    linked = (heads(a[i, 0], b[j, 0])[wanted] > threshold) & (tails(a[i, 1], b[j, 1])[wanted] > threshold)
    label, pair = np.nonzero(linked)
    return np.column_stack([label + wanted.start, a[i[pair]], b[j[pair]]]).astype(np.int32)


def pointer_spans(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Spans of a pointer, from probabilities [length, 2]: every start with the nearest end from it on, int [n, 2]."""
    starts, ends = (np.flatnonzero(column > threshold) for column in probabilities.T)
    nearest = np.searchsorted(ends, starts)
    found = nearest < len(ends)
    return np.column_stack([starts[found], ends[nearest[found]]])[:MAX_SPANS]


def object_relations(subject: np.ndarray, probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Relations of one subject from the object pointers' probabilities [length, 2 * relations]: int32 [r, 5]."""
    n = probabilities.shape[1] // 2
    relations = []
    for label in np.flatnonzero((probabilities[:, :n] > threshold).any(0)):
        for span in pointer_spans(probabilities[:, [label, n + label]], threshold):
            relations.append((label, *subject, *span))
    return np.array(relations, np.int32).reshape(-1, 5)


def to_characters(feature: Features, relations: np.ndarray) -> set[Relation]:
    """Relations between tokens -> relations between characters; what touches [CLS] or [SEP] is dropped."""
    inside, spans = text_spans(relations[:, 1:], feature.offsets)
    return {
        Relation(label, (a, b), (c, d))
        for label, (a, b, c, d) in zip(relations[inside, 0].tolist(), spans.tolist(), strict=True)
    }


def to_record(text: str, relations: Iterable[Relation], labels: Labels, tied: bool = True) -> dict[str, Any]:
    """The official record of a text, triples in the order of the text, each once.

    tied: a slot belongs to the `@value` that a tie joins it to; otherwise (a head without ties) to the nearest.
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
        for value in values if slot == "@value" else ():
            slots = {slot: [value]}
            for other in labels.schema[predicate].object_types:
                candidates = spans.get((subject, predicate, other), ()) if other != "@value" else ()
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
        "predicate": predicate,
        "subject": strings[0],
        "subject_type": types.subject_type,
        "object": dict(zip(slots, strings[1:], strict=True)),
        "object_type": {slot: types.object_types[slot] for slot in slots},
    }
