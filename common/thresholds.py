"""Chooses the thresholds above which scores count as a yes."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from tqdm import tqdm

from common.inference import Engine, remembering

T = TypeVar("T")

Thresholds = dict[str, float]  # by the name of what is compared with each
Curve = dict[float, float]  # threshold -> score, in the order of the thresholds

REACH, FURTHEST = 4, 9  # steps away from the default that are tried, at first and at most
SMOOTHING = np.array([1, 6, 15, 20, 15, 6, 1]) / 64
WORTH = 0.5  # gold items that each step away from the default has to win


class HasThresholds(Protocol):
    """An extractor whose thresholds can be chosen."""

    engines: dict[str, Engine]  # run the parts of its model
    thresholds: Thresholds  # those in use; none if the extractor knows no thresholds

    @property
    def step(self) -> float:
        """The distance between the thresholds to choose from."""


def choose_thresholds(
    extractor: HasThresholds, evaluate: Callable[[], dict[str, float]], items: int
) -> dict[str, Curve]:
    """Give the extractor the thresholds with the best scores, and return the scores along each threshold.

    One threshold after the other is chosen, while the others stay as they are. A second round would change little. The
    model runs once, as only the decoding of its outputs differs. Without gold items the default thresholds stay, and
    there are no scores.

    Args:
        extractor: has the default thresholds.
        evaluate: scores the extractor with the thresholds it has. A threshold is chosen by the score of its name, or by
            "f1" if there is none.
        items: the number of gold items that `evaluate` looks for.
    """
    curves: dict[str, Curve] = {}
    if not items:
        return curves
    engines = extractor.engines
    extractor.engines = {name: remembering(engine) for name, engine in engines.items()}
    known: dict[tuple[float, ...], dict[str, float]] = {}
    with tqdm(desc="choosing thresholds", unit=" tries", disable=not extractor.thresholds) as bar:

        def score(name: str, threshold: float) -> float:
            extractor.thresholds[name] = threshold
            key = tuple(extractor.thresholds.values())
            if key not in known:
                known[key] = evaluate()
                bar.update()
            return known[key][name if name in known[key] else "f1"]

        for name, default in [*extractor.thresholds.items()]:
            extractor.thresholds[name], curves[name] = best_along(partial(score, name), default, extractor.step, items)
    extractor.engines = engines
    for name, curve in curves.items():
        if len(curve) == 2 * FURTHEST + 1 and extractor.thresholds[name] in (min(curve), max(curve)):
            print(f"note: {name}: no threshold beyond {extractor.thresholds[name]:g} was tried", file=sys.stderr)
    return curves


def best_along(score: Callable[[float], float], default: float, step: float, items: int) -> tuple[float, Curve]:
    """Return the best threshold near a default, and the scores of all that were tried.

    With few items the score jumps from one threshold to the next. So the curve is smoothed, and each step away from the
    default has to be worth `WORTH` items. If the best threshold is the last one, more are tried.
    """
    for reach in range(REACH, FURTHEST + 1):
        away = np.arange(-reach, reach + 1)
        curve = {threshold: score(threshold) for threshold in np.round(default + step * away, 6).tolist()}
        smooth = np.convolve(np.pad([*curve.values()], len(SMOOTHING) // 2, mode="edge"), SMOOTHING, mode="valid")
        best = int(np.argmax(smooth - WORTH * abs(away) / max(items, 1)))
        if abs(away[best]) < reach:
            break
    return [*curve][best], curve


def hold_out(items: Sequence[T], share: float, seed: int) -> tuple[list[T], list[T]]:
    """Shuffle the items and split off a share of them; return (the rest, the share)."""
    order = np.random.default_rng(seed).permutation(len(items))
    kept = int(share * len(items))
    return [items[i] for i in order[kept:]], [items[i] for i in order[:kept]]
