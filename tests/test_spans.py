from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.spans import MAX_SPANS, best_spans, text_spans, token_span, token_windows, windows
from common.tokenizer import Encoding


@pytest.mark.parametrize(
    ("length", "size", "stride"), [(0, 10, 5), (10, 10, 5), (11, 10, 5), (97, 10, 3), (30, 10, 10)]
)
def test_windows_cover_everything(length, size, stride):
    spans = windows(length, size, stride)
    assert set().union(*(range(*span) for span in spans)) == set(range(length))
    assert all(end - start <= size for start, end in spans)
    assert all(b[0] - a[0] <= stride and b[0] > a[0] for a, b in zip(spans, spans[1:], strict=False))


def test_token_windows_hold_the_tokens_they_say():
    tokenizer: Any = SimpleNamespace(cls_id=101, sep_id=102)
    ids = np.arange(7, dtype=np.int32)
    encoding = Encoding(ids, np.stack([ids, ids + 1], 1))
    found = list(token_windows(encoding, tokenizer, max_length=6, stride=2))
    assert [window.token_ids.tolist() for window in found] == [
        [101, 0, 1, 2, 3, 102], [101, 2, 3, 4, 5, 102], [101, 3, 4, 5, 6, 102],
    ]  # fmt: skip
    tokens = np.array([[2, 3], [2, 4], [0, 1], [3, 6]])
    assert [window.holds(tokens).tolist() for window in found] == [
        [True, False, True, False], [True, True, False, False], [False, False, False, True],
    ]  # fmt: skip
    for window in found:
        inside = window.place(tokens[window.holds(tokens)])
        assert (window.token_ids[inside] == tokens[window.holds(tokens)]).all()
        held, labelled = window.take(np.insert(tokens, 0, 9, axis=1))
        assert held.tolist() == window.holds(tokens).tolist()
        assert labelled.tolist() == [[9, *pair] for pair in inside.tolist()]
        assert (window.offsets[[0, -1]] == 0).all()
        assert (window.offsets[1:-1, 0] == window.token_ids[1:-1]).all()


@pytest.mark.parametrize(
    ("span", "expected", "cut"),
    [((0, 2), (0, 0), 0), ((1, 3), (0, 1), 1), ((4, 5), None, 0), ((2, 7), (1, 2), 0), ((5, 9), (2, 2), 1)],
)
def test_token_span(span, expected, cut):
    counts: Counter[str] = Counter()
    assert token_span(span, starts=[0, 2, 5], ends=[2, 4, 7], counts=counts) == expected
    assert counts["spans not on token boundaries"] == cut


@pytest.mark.parametrize("seed", range(8))
def test_best_spans_equal_the_dense_scores(seed):
    rng = np.random.default_rng(seed)
    labels, size, length = 5, 12, int(rng.integers(1, 13))
    scores, rows, columns = rng.normal(-3, 1, (size, size)), *rng.normal(0, 1, (2, labels, size))
    dense = (scores + rows[:, :, None] + columns[:, None, :])[:, :length, :length]
    found = best_spans((scores, rows, columns), length, threshold=-0.5)
    assert found.shape[1] == 3
    assert sorted(map(tuple, found.tolist())) == list(map(tuple, np.argwhere(dense > -0.5).tolist()))


def test_best_spans_are_bounded():
    scores = np.arange(1.0, 401).reshape(20, 20)
    found = best_spans((scores, np.zeros((1, 20)), np.zeros((1, 20))), 20, 0.0)
    assert len(found) == MAX_SPANS
    assert scores[found[:, 1], found[:, 2]].min() == 401 - MAX_SPANS


def test_text_spans_leave_out_what_touches_cls_or_sep():
    offsets = np.array([[0, 0], [10, 11], [11, 15], [15, 16], [0, 0]])
    tokens = np.array([[1, 2, 3, 3], [0, 1, 2, 2], [1, 1, 3, 4], [1, 1, 1, 1]])
    inside, spans = text_spans(tokens, offsets)
    assert inside.tolist() == [True, False, False, True]
    assert spans.tolist() == [[10, 15, 15, 16], [10, 11, 10, 11]]
