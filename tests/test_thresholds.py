import math
from types import SimpleNamespace

import pytest

from common.thresholds import FURTHEST, best_along, choose_thresholds


def hill(top, width=1.0):
    return lambda threshold: math.exp(-(((threshold - top) / width) ** 2))


@pytest.mark.parametrize("top", [-3.0, -1.5, 0.0, 1.0, 3.5])
def test_the_top_of_a_smooth_curve_is_found_also_beyond_the_first_grid(top):
    best, curve = best_along(hill(top), default=0.0, step=0.5, items=10_000)
    assert best == top
    assert min(curve) < best < max(curve)


def test_a_peak_of_one_threshold_among_few_items_is_noise():
    curve = {0.0: 0.6, 0.5: 0.59, 1.0: 0.58, -1.5: 0.62, -2.0: 0.5}
    assert best_along(lambda threshold: curve.get(threshold, 0.55), 0.0, 0.5, items=300)[0] in (0.0, 0.5)


def test_a_step_away_from_the_default_has_to_win_half_an_item():
    def score(threshold):
        return 0.5 - 0.004 * threshold

    assert best_along(score, 0.0, 0.5, items=100)[0] == 0.0
    assert best_along(score, 0.0, 0.5, items=1000)[0] < 0


def test_a_flat_curve_keeps_the_default():
    assert best_along(lambda _: 0.5, 0.4, 0.04, items=10**9)[0] == 0.4


def test_thresholds_depend_on_each_other(capsys):
    """The best threshold for links lies opposite to that for spans, and they are scored by different functions."""
    extractor = SimpleNamespace(engines={}, thresholds={"spans": 0.0, "links": 0.0}, step=0.5)
    seen = []

    def evaluate():
        spans, links = extractor.thresholds.values()
        seen.append((spans, links))
        return {"f1": hill(1.0)(spans) + 0.1 * hill(-1.0)(links), "links": hill(-1.0)(links + spans - 1.0)}

    curves = choose_thresholds(extractor, evaluate, items=10_000)
    assert extractor.thresholds == {"spans": 1.0, "links": -1.0}
    assert list(curves) == ["spans", "links"]
    assert curves["links"][-1.0] == max(curves["links"].values())
    assert len(set(seen)) == len(seen)
    assert "note" not in capsys.readouterr().err


def test_the_edge_of_what_was_tried_is_told(capsys):
    extractor = SimpleNamespace(engines={}, thresholds={"spans": 0.0}, step=0.5)
    choose_thresholds(extractor, lambda: {"spans": extractor.thresholds["spans"]}, items=10_000)
    edge = FURTHEST * 0.5
    assert extractor.thresholds == {"spans": edge}
    assert f"note: spans: no threshold beyond {edge:g} was tried\n" in capsys.readouterr().err


def test_an_extractor_without_thresholds_stays_as_it_is(capsys):
    extractor = SimpleNamespace(engines={}, thresholds={}, step=0.5)
    assert choose_thresholds(extractor, lambda: {}, items=0) == {}
    assert extractor.thresholds == {}
    assert capsys.readouterr().err == ""
