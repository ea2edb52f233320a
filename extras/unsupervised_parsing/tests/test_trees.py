from functools import partial
from itertools import product

import numpy as np
import pytest

from pictures import place
from sentences import is_tree
from trees import best_heads, bracketed, left_branching, random_tree, right_branching, split, tree_of


def related(n, seed):
    matrix = np.random.default_rng(seed).random((n, n)).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    return matrix


def plain(matrix, start, end):
    """Compute the brackets directly from the formula."""
    if end - start < 2:
        return []
    scores: dict[int, float] = {}
    for k in range(start + 1, end):
        left = np.arange(start, end) < k
        block, same = matrix[start:end, start:end].astype(float), left[:, None] == left
        scores[k] = block[same].mean() - block[~same].mean()
    k = max(scores, key=lambda at: scores[at])
    return [(start, end)] + [(k, end)] * (end - k > 1) + plain(matrix, start, k) + plain(matrix, k + 1, end)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_the_split_is_that_of_brute_force(n):
    for seed in range(10):
        matrix = related(n, seed)
        brackets, _ = tree_of(matrix, [0])
        assert brackets == plain(matrix, 0, n)


def is_projective(heads):
    spans = [sorted((word, head)) for word, head in enumerate(heads, 1)]
    return not any(a < c < b < d for a, b in spans for c, d in spans)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_heads_are_those_of_brute_force(n):
    trees = [heads for heads in product(range(n + 1), repeat=n) if is_tree(list(heads)) and is_projective(heads)]
    for seed in range(5):
        scores, roots = related(n, seed), related(n, seed + 9).sum(0)
        best = max(trees, key=lambda heads: sum(scores[h - 1, w] if h else roots[w] for w, h in enumerate(heads)))
        assert best_heads(scores, roots) == list(best)


def test_blocks_are_found():
    matrix = np.zeros((7, 7))
    matrix[:3, :3] = matrix[3:, 3:] = 1
    np.fill_diagonal(matrix, 0)
    brackets, _ = tree_of(matrix, [0])
    assert brackets[:2] == [(0, 7), (3, 7)]
    assert (0, 3) in brackets


@pytest.mark.parametrize("make", [left_branching, right_branching, partial(random_tree, rng=np.random.default_rng(0))])
def test_trees_are_trees(make):
    for n in (1, 2, 3, 9):
        brackets, heads = make(n)
        assert is_tree(heads)
        assert len(set(brackets)) == len(brackets) == n - 1
        for i, (start, end) in enumerate(brackets):
            assert end - start > 1
            for first, last in brackets[:i]:  # each is inside of those before it, or apart from them
                assert first <= start < end <= last or end <= first or last <= start
        assert bracketed(["x"] * n, brackets).count("(") == n - 1


def test_a_long_tree_needs_no_recursion():
    assert len(split(5000, lambda start, end: start + 1)) == 4999


def test_parts_hang_together_from_the_right():
    matrix = related(9, 0)
    brackets, heads = tree_of(matrix, [0, 4, 8])
    first, second = tree_of(matrix[:4, :4], [0]), tree_of(matrix[4:8, 4:8], [0])
    shifted = [(start + 4, end + 4) for start, end in second[0]]
    assert brackets == [(0, 9), *first[0], (4, 9), *shifted]
    assert is_tree(heads)
    roots = [first[1].index(0) + 1, second[1].index(0) + 5]
    assert [heads[roots[0] - 1], heads[roots[1] - 1], heads[8]] == [0, *roots]
    assert tree_of(np.zeros((0, 0)), []) == ([], [])


def test_brackets_as_text():
    assert bracketed(["我", "们", "(", "笑"], [(0, 4), (0, 2), (2, 4)]) == "((我 们) (-LRB- 笑))"
    assert bracketed(["我"], []) == "我"
    assert bracketed([], []) == ""


def test_places_of_brackets():
    nodes, levels = place(4, [(0, 4), (1, 4), (1, 3)])
    assert nodes == [
        (1.5, 1, [(1.0, 0), (2.0, 0)]),
        (2.25, 2, [(1.5, 1), (3.0, 0)]),
        (1.125, 3, [(0.0, 0), (2.25, 2)]),
    ]
    assert levels == 3
