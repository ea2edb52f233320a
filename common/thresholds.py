"""Chooses the threshold above which a score counts as a yes."""

from collections.abc import Callable
from typing import Protocol


class HasThreshold(Protocol):
    """An extractor whose threshold can be chosen."""

    threshold: float | None

    @property
    def default_threshold(self) -> float | None:
        """The threshold if none is chosen. None if the extractor knows no thresholds."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds to choose from. There may be none."""


def choose_threshold(extractor: HasThreshold, evaluate: Callable[[], float]) -> dict[float, float]:
    """Give the extractor the threshold with the best score, and among equals the one nearest to its default.

    `evaluate` scores the extractor with the threshold it has. Returns the score of each threshold. If the extractor has
    no thresholds, nothing changes and there are no scores.
    """
    scores = {}
    for threshold in extractor.thresholds:
        extractor.threshold = threshold
        scores[threshold] = evaluate()
    if scores:
        default = extractor.default_threshold
        assert default is not None, "an extractor with thresholds has a default"
        extractor.threshold = max(scores, key=lambda t: (scores[t], -abs(t - default)))
    return scores
