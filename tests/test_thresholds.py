from types import SimpleNamespace

from common.thresholds import choose_threshold


def chosen(scores, default=0.0):
    extractor = SimpleNamespace(threshold=default, default_threshold=default, thresholds=tuple(scores))
    assert choose_threshold(extractor, lambda: scores[extractor.threshold]) == scores
    return extractor.threshold


def test_the_best_is_chosen_and_of_equals_the_one_nearest_to_the_default():
    assert chosen({-1.0: 0.5, 0.0: 0.6, 1.0: 0.7}) == 1
    assert chosen({-2.0: 0.7, -0.5: 0.7, 1.0: 0.7}) == -0.5
    assert chosen({0.2: 0.1, 0.6: 0.1}, default=0.4) in (0.2, 0.6)


def test_an_extractor_without_thresholds_stays_as_it_is():
    assert chosen({}, default=None) is None
