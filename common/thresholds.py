"""The threshold above which an extractor takes a score for a yes."""

from collections.abc import Callable
from typing import Protocol


class HasThreshold(Protocol):
    threshold: float | None  # None: it has none
    default_threshold: float | None
    thresholds: tuple[float, ...]  # to choose from


def choose_threshold(extractor: HasThreshold, evaluate: Callable[[], float]) -> dict[float, float]:
    """Gives the extractor the threshold with the best score, of equals the one nearest to the default.

    Returns the score of each threshold; none for an extractor without thresholds, which stays as it is.
    """
    scores = {}
    for threshold in extractor.thresholds:
        extractor.threshold = threshold
        scores[threshold] = evaluate()
    if scores:
        default = extractor.default_threshold
        extractor.threshold = max(scores, key=lambda t: (scores[t], -abs(t - default)))
    return scores
