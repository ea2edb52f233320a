import numpy as np
import pytest

from common.batching import Batches, Rounding, bucketed_batches, pad, pad_positives, pad_tokens
from common.inference import length_sorted_batches
from common.thresholds import hold_out

LENGTHS = np.random.default_rng(0).integers(5, 120, 3001)


@pytest.mark.parametrize("max_tokens", [None, 900])
def test_every_item_once_under_the_budgets(max_tokens):
    for batches in (
        bucketed_batches(LENGTHS, 16, seed=1, epoch=2, max_tokens=max_tokens),
        length_sorted_batches(LENGTHS, 16, max_tokens),
    ):
        assert sorted(np.concatenate(batches)) == list(range(len(LENGTHS)))
        assert max(map(len, batches)) == 16
        assert all(max_tokens is None or LENGTHS[b].max() * len(b) <= max_tokens for b in batches)


def test_order_is_a_function_of_seed_and_epoch():
    orders = [np.concatenate(bucketed_batches(LENGTHS, 16, s, e)) for s, e in [(1, 0), (1, 0), (1, 1), (2, 0)]]
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()
    assert (orders[0] != orders[3]).any()


def test_batches_of_similar_length_come_in_mixed_order():
    batches = bucketed_batches(LENGTHS, 16, seed=0, epoch=0)
    assert sum(LENGTHS[b].max() * len(b) for b in batches) < 1.05 * LENGTHS.sum()  # little padding
    longest = [LENGTHS[b].max() for b in batches]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.25


def test_an_item_over_the_budget_stands_alone():
    batches = length_sorted_batches([3, 50, 3], 8, max_tokens=10)
    assert [b.tolist() for b in batches] == [[1], [0, 2]]


def test_pad():
    padded = pad([np.array([[1, 2]]), np.zeros((0, 2), int)], -1)
    assert padded.tolist() == [[[1, 2]], [[-1, -1]]]


def test_batches_are_a_function_of_the_seed_and_can_begin_later():
    def collate(items, rng):
        return items, rng.random()

    def batches(seed, skip=0):
        return list(Batches("abcde", [[4, 0], [1], [2, 3]], collate, seed, skip))

    whole = batches((1, 0))
    assert [items for items, _ in whole] == [["e", "a"], ["b"], ["c", "d"]]
    assert batches((1, 0), skip=1) == whole[1:]
    assert all(a != b for a, b in zip(whole, batches((1, 1)), strict=True))


def test_hold_out():
    rest, kept = hold_out(range(103), 0.1, seed=3)
    assert (len(rest), len(kept)) == (93, 10)
    assert sorted([*rest, *kept]) == list(range(103))
    assert (rest, kept) == hold_out(range(103), 0.1, seed=3)
    assert hold_out("abc", 0.0, seed=3)[1] == []


def test_a_rounded_batch():
    """Lengths are multiples of 32 up to 50, all heads have as many positives, and rows that do not count are added."""

    def collate(items, rng):
        positives = {"few": [np.ones(2, int)] * len(items), "many": [np.ones(n, int) for n in items]}
        return pad_tokens([np.ones(n, int) for n in items]), pad_positives(positives)

    batches = Batches([3, 9, 40], [[0, 1], [2]], collate, (0,), rounding=Rounding(32, 50, rows=2, positives=4))
    (tokens, positives, weights), (longer, more, less) = batches
    assert tokens.shape == (2, 32)
    assert tokens.sum(1).tolist() == [3, 9]
    assert [array.shape for array in positives.values()] == [(2, 16)] * 2
    assert (positives["few"][:, 2:] == -1).all()
    assert weights.tolist() == [1, 1]
    assert longer.shape == (2, 50)
    assert more["many"].shape == (2, 64)
    assert less.tolist() == [1, 0]
    plain = Batches([3, 9, 40], [[0, 1]], collate, (0,))[0]
    assert plain[0].shape == (2, 9)
    assert len(plain) == 2
