"""GPLinker's targets and decoding, for the pairs of tokens of one window (kexue.fm/archives/8888 and 8926).

Three heads score pairs of tokens. The first one scores spans by their first and last token. The other two link a span
to another: `heads` scores the first tokens of both, and `tails` the last ones. For relations a link leads from a
subject (label 0) to an object (label 1), and its label is the relation. For events all spans of an event are linked to
each other, whatever their roles, and an event is a maximal clique of linked spans of its type.
"""

from collections.abc import Iterator, Sequence, Set
from itertools import combinations, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

MAX_SPANS = 200  # as in common/spans.py, for a model that has hardly been trained
MAX_EVENTS = 100  # of one type, for the same reason: a graph may have very many maximal cliques


class Targets(NamedTuple):
    """The pairs of tokens that each head should score above 0, int [p, 3] of (label, i, j)."""

    spans: np.ndarray
    heads: np.ndarray
    tails: np.ndarray


class Scores(NamedTuple):
    """The scores of the three heads for a window of l tokens, [labels, l, l] each."""

    spans: np.ndarray
    heads: np.ndarray
    tails: np.ndarray


class Found(NamedTuple):
    """Spans, int [s, 3] of (label, first, last), and links, int [k, 3] of (label, number of a span, of another)."""

    spans: np.ndarray
    links: np.ndarray


def relation_targets(relations: np.ndarray) -> Targets:
    """Return the targets of relations, int [r, 5]: label, first and last token of a subject, and of an object."""
    spans = np.concatenate([np.insert(relations[:, 1:3], 0, 0, axis=1), np.insert(relations[:, 3:], 0, 1, axis=1)])
    return _distinct(spans, relations[:, [0, 1, 3]], relations[:, [0, 2, 4]])


def event_targets(events: Sequence[np.ndarray]) -> Targets:
    """Return the targets of events, each the int [s, 3] of its spans. A link goes from the smaller token on."""
    links = [
        [(0, *sorted((a[end], b[end]))) for event in events for a, b in combinations(event.tolist(), 2)]
        for end in (1, 2)
    ]
    return _distinct([row for event in events for row in event], *links)


def _distinct(*of_heads: ArrayLike) -> Targets:
    return Targets(*(np.unique(np.reshape(np.asarray(rows, int), (-1, 3)), axis=0) for rows in of_heads))


def perfect_scores(targets: Targets, labels: Sequence[int], length: int) -> Scores:
    """Return the scores of a model without mistakes: 1 for the targets, and 0 otherwise.

    Args:
        targets: of a window.
        labels: how many labels each head has.
        length: tokens of the window.
    """
    scores = Scores(*(np.zeros((n, length, length), np.float32) for n in labels))
    for table, positives in zip(scores, targets, strict=True):
        table[tuple(positives.T)] = 1
    return scores


def find_links(scores: Scores, directed: bool, threshold: float = 0.0) -> Found:
    """Find the spans that score above a threshold, and the links for which both pairs of tokens do.

    Args:
        scores: of a window with [CLS] and [SEP], without padding. No span touches these two.
        directed: whether links have a direction. If not, `heads` and `tails` score only pairs with i <= j.
        threshold: what scores have to exceed.
    """
    inner = scores.spans[:, 1:-1, 1:-1]
    spans = np.argwhere(inner > threshold)
    if len(spans) > MAX_SPANS:
        spans = spans[np.argsort(-inner[tuple(spans.T)], kind="stable")[:MAX_SPANS]]
    spans[:, 1:] += 1
    i, j = np.indices((len(spans), len(spans))).reshape(2, -1)
    linked = np.ones((len(scores.heads), len(i)), bool)
    for end, table in ((1, scores.heads), (2, scores.tails)):
        a, b = spans[i, end], spans[j, end]
        linked &= (table[:, a, b] if directed else table[:, np.minimum(a, b), np.maximum(a, b)]) > threshold
    label, pair = np.nonzero(linked)
    return Found(spans, np.column_stack([label, i[pair], j[pair]]))


def to_relations(found: Found) -> np.ndarray:
    """Return the relations among what was found, int [r, 5], as `relation_targets` takes them."""
    spans, links = found
    label, subject, value = links[(spans[links[:, 1], 0] == 0) & (spans[links[:, 2], 0] == 1)].T
    return np.column_stack([label, spans[subject, 1:], spans[value, 1:]]).astype(np.int32)


def to_events(found: Found, types: np.ndarray) -> list[np.ndarray]:
    """Return the events among what was found, as `event_targets` takes them. `types` has the type of each label."""
    neighbours: list[set[int]] = [set() for _ in found.spans]
    for _, a, b in found.links.tolist():
        if a != b:
            neighbours[a].add(b)
    type_of = types[found.spans[:, 0]]
    return [
        found.spans[sorted(clique)]
        for event_type in np.unique(type_of)
        for clique in islice(maximal_cliques(neighbours, set(np.flatnonzero(type_of == event_type))), MAX_EVENTS)
    ]


def maximal_cliques(neighbours: Sequence[Set[int]], nodes: Set[int]) -> Iterator[Set[int]]:
    """Yield the maximal cliques among some nodes of a graph (Bron and Kerbosch, with a pivot)."""

    def extend(clique: Set[int], candidates: Set[int], done: Set[int]) -> Iterator[Set[int]]:
        if not candidates:
            if not done:
                yield clique
            return
        pivot = max(candidates | done, key=lambda node: len(neighbours[node] & candidates))
        for node in candidates - neighbours[pivot]:
            yield from extend(clique | {node}, candidates & neighbours[node], done & neighbours[node])
            candidates, done = candidates - {node}, done | {node}

    return extend(set(), nodes, set())
