"""Scores -> spans of tokens -> answers, best first."""

from typing import NamedTuple

import numpy as np

from common.spans import Span
from dataset import Features


class Candidates(NamedTuple):
    """The best spans of a window."""

    spans: np.ndarray  # int [n, 2], first and last token
    scores: np.ndarray  # [n], descending, comparable between windows


class Answer(NamedTuple):
    text: str
    probability: float  # softmax of the scores over the answers that are given
    span: Span  # characters


def n_best_spans(scores: np.ndarray, context: np.ndarray, width: int, n: int) -> Candidates:
    """The n best spans of at most `width` tokens within the context.

    scores: [length, length], of the spans from token i to j. context: bool [length].
    """
    length = len(context)
    scores = band(scores, min(width, length))
    first, more = np.nonzero(np.ones(scores.shape, bool))
    last = first + more
    inside = (last < length) & context[first] & context[np.minimum(last, length - 1)]
    first, last, of_span = first[inside], last[inside], scores[first[inside], more[inside]]
    if not len(first):
        return Candidates(np.zeros((0, 2), int), np.zeros(0))
    best = np.argpartition(-of_span, min(n, len(of_span)) - 1)[:n]
    best = best[np.argsort(-of_span[best], kind="stable")]
    return Candidates(np.stack([first[best], last[best]], 1), of_span[best])


def band(matrix: np.ndarray, width: int) -> np.ndarray:
    """[length, length] -> [length, width], entry k of row i is that of column i + k; 0 beyond the last."""
    length = len(matrix)
    padded = np.pad(matrix, ((0, 0), (0, width)))
    return padded[np.arange(length)[:, None], np.arange(length)[:, None] + np.arange(width)]


def to_answers(context: str, windows: list[tuple[Features, Candidates]], n: int) -> list[Answer]:
    """At most the n best answers over all windows of a context, none where it has no token; each text once, with the
    best of its scores.
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
