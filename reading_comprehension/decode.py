"""Scores -> spans of tokens -> answers, best first."""

from typing import NamedTuple

import numpy as np

from common.spans import Span
from dataset import Features


class Candidates(NamedTuple):
    """The best spans of a window, and what stands for all of its spans."""

    spans: np.ndarray  # int [n, 2], first and last token
    scores: np.ndarray  # [n], descending
    log_total: float  # log of the summed exp(score) of all spans


class Answer(NamedTuple):
    text: str
    probability: float  # among all spans of all windows of the context
    span: Span  # characters


def best_spans(scores: np.ndarray, context: np.ndarray, max_answer_tokens: int, n: int) -> Candidates:
    """The n best spans within the context.

    scores: [length, width], of the spans from token i to i + k. context: bool [length]. A span has at most
    `max_answer_tokens` tokens.
    """
    length = len(context)
    first, more = np.nonzero(np.ones((length, min(max_answer_tokens, scores.shape[1])), bool))
    last = first + more
    inside = (last < length) & context[first] & context[np.minimum(last, length - 1)]
    first, last, of_span = first[inside], last[inside], scores[first[inside], more[inside]]
    if not len(first):
        return Candidates(np.zeros((0, 2), int), np.zeros(0), -np.inf)
    best = np.argpartition(-of_span, min(n, len(of_span)) - 1)[:n]
    best = best[np.argsort(-of_span[best], kind="stable")]
    highest = of_span[best[0]]
    log_total = highest + np.log(np.exp(of_span - highest).sum())
    return Candidates(np.stack([first[best], last[best]], 1), of_span[best], float(log_total))


def band(matrix: np.ndarray, width: int) -> np.ndarray:
    """[length, length] -> [length, width], entry k of row i is that of column i + k; 0 beyond the last."""
    length = len(matrix)
    padded = np.pad(matrix, ((0, 0), (0, width)))
    return padded[np.arange(length)[:, None], np.arange(length)[:, None] + np.arange(width)]


def to_answers(context: str, windows: list[tuple[Features, Candidates]], n: int) -> list[Answer]:
    """The n best answers over all windows of a context, none where it has no token; each text once."""
    found: dict[Span, float] = {}
    for feature, candidates in windows:
        for (first, last), score in zip(candidates.spans.tolist(), candidates.scores.tolist(), strict=True):
            span = int(feature.offsets[first, 0]), int(feature.offsets[last, 1])
            found[span] = max(score, found.get(span, -np.inf))  # windows overlap
    total = np.logaddexp.reduce([candidates.log_total for _, candidates in windows])
    answers: dict[str, Answer] = {}
    for span, score in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        text = context[slice(*span)]
        answers.setdefault(text, Answer(text, float(np.exp(score - total)), span))
    return list(answers.values())[:n]
