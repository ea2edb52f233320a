"""Scores -> spans and relations -> official records."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from dataset import Features, Labels, Span

# A trained model finds a few spans in a window; these bounds keep an untrained one from drowning in pairs.
MAX_SPANS = 100
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
    scores, row_bias, column_bias = outputs["entities"]
    entities = scores[:length, :length] + row_bias[:, :length, None] + column_bias[:, None, :length]
    heads, tails = (partial(pair_scores, outputs[name]) for name in ("heads", "tails"))
    return find_relations(entities, heads, tails, labels, threshold)


def pair_scores(factors: tuple, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The scores [labels, n] of the pairs of tokens (i, j), int [n] each, from the factors of a pair head."""
    scores, row_bias, column_bias = factors
    return scores[i, j] + row_bias[:, i] + column_bias[:, j]


def find_relations(entities: np.ndarray, heads: Gather, tails: Gather, labels: Labels, threshold: float) -> np.ndarray:
    """Decodes the few spans first, then looks only at the pairs between them: a relation holds where the pair of
    first tokens and the pair of last tokens both score above the threshold.

    entities: [2, length, length], subjects and objects. heads, tails: the scores of all labels for given pairs.
    """
    subjects, objects = (_best_spans(scores, threshold) for scores in entities)
    n = len(labels.relations)
    relations = _link(subjects, objects, heads, tails, slice(0, n), threshold)
    slots = np.unique(relations[:, 3:5], axis=0)
    ties = _link(slots, slots, heads, tails, slice(n, None), threshold)
    return np.concatenate([relations, ties])


def _best_spans(scores: np.ndarray, threshold: float) -> np.ndarray:
    """First and last token of the spans above the threshold, at most `MAX_SPANS`: int [n, 2]."""
    spans = np.argwhere(scores > threshold)
    if len(spans) > MAX_SPANS:
        best = np.argpartition(-scores[spans[:, 0], spans[:, 1]], MAX_SPANS)[:MAX_SPANS]
        spans = spans[np.sort(best)]
    return spans


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
    starts, ends = feature.offsets[:, 0].tolist(), feature.offsets[:, 1].tolist()
    inside = (relations[:, 1:] > 0).all(1) & (relations[:, 1:] < len(starts) - 1).all(1)
    return {
        Relation(label, (starts[a], ends[b]), (starts[c], ends[d])) for label, a, b, c, d in relations[inside].tolist()
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
