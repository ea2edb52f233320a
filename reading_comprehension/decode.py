"""Turns scores into token spans, and token spans into answers, best first."""

from typing import NamedTuple

import numpy as np

from common.spans import Span
from dataset import Features


class Candidates(NamedTuple):
    """The best spans of a window."""

    spans: np.ndarray  # int [n, 2]: first and last token
    scores: np.ndarray  # float [n]: descending, comparable between windows


class Answer(NamedTuple):
    """An answer that was found in a context."""

    text: str
    probability: float  # softmax over the scores of all answers that are returned for the question
    span: Span  # characters [start, end) of the context


def n_best_spans(scores: np.ndarray, context: np.ndarray, width: int, n: int) -> Candidates:
    """Find the best spans of a window that lie within its context.

    Args:
        scores: float [length, length], the score of the span from token i to token j.
        context: bool [length], the tokens that belong to the context.
        width: the most tokens that a span may have.
        n: how many spans to return. There are fewer if the context has fewer.
    """
    length = len(context)
    scores = band(scores, min(width, length))
    first, distance = np.nonzero(np.ones(scores.shape, bool))
    last = first + distance
    inside = (last < length) & context[first] & context[np.minimum(last, length - 1)]
    first, last, found = first[inside], last[inside], scores[first[inside], distance[inside]]
    if not len(first):
        return Candidates(np.zeros((0, 2), int), np.zeros(0))
    best = np.argpartition(-found, min(n, len(found)) - 1)[:n]
    best = best[np.argsort(-found[best], kind="stable")]
    return Candidates(np.stack([first[best], last[best]], 1), found[best])


def band(matrix: np.ndarray, width: int) -> np.ndarray:
    """Take `width` entries of each row of a matrix [length, length], from the diagonal on: [length, width].

    Entries beyond the last column are 0.

    >>> band(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), 2)
    array([[1, 2],
           [5, 6],
           [9, 0]])
    """
    length = len(matrix)
    padded = np.pad(matrix, ((0, 0), (0, width)))
    return padded[np.arange(length)[:, None], np.arange(length)[:, None] + np.arange(width)]


def to_answers(context: str, windows: list[tuple[Features, Candidates]], n: int) -> list[Answer]:
    """Choose the best answers over all windows of a context.

    Each text is returned once, with the best of its scores. There is no answer if the context has no token.

    Args:
        context: the text that the windows are part of.
        windows: the features of each window, with the best spans in it.
        n: the most answers to return.
    """
    found: list[tuple[float, Span]] = []
    for feature, candidates in windows:
        for (first, last), score in zip(candidates.spans.tolist(), candidates.scores.tolist(), strict=True):
            found.append((score, (int(feature.offsets[first, 0]), int(feature.offsets[last, 1]))))
    found.sort(key=lambda item: (-item[0], item[1]))
    best: dict[str, tuple[float, Span]] = {}
    for score, (start, end) in found:
        best.setdefault(context[start:end], (score, (start, end)))
    ranked = list(best.items())[:n]
    total = np.logaddexp.reduce([score for _, (score, _) in ranked])
    return [Answer(text, float(np.exp(score - total)), span) for text, (score, span) in ranked]
