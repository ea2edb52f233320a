"""Makes trees from relatedness: brackets over spans, and the head of each span."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

Bracket = tuple[int, int]  # the spans [start, end), at least two
Index = int | np.ndarray
Tree = tuple[list[Bracket], list[int]]  # brackets, outer ones first, and heads, which count from 1 (0 is the root)


def tree_of(matrix: np.ndarray, parts: list[int]) -> Tree:
    """Return the tree of a sentence of n spans from its relatedness f(i, j), float [n, n] with a diagonal of 0.

    `parts` has the first span of each part that gets a tree of its own. These trees are bracketed from the right, and
    the root of each one is a dependent of the root before it.
    """
    brackets: list[Bracket] = []
    heads: list[int] = []
    root = 0
    for start, end in pairwise([*parts, len(matrix)]):
        part = matrix[start:end, start:end]
        if end < len(matrix):
            brackets.append((start, len(matrix)))
        own = split(end - start, partial(best_split, cumulative(part)))
        brackets += [(start + first, start + last) for first, last in own]
        own_heads = best_heads(part, part.mean(0))
        heads += [start + head if head else root for head in own_heads]
        root = start + own_heads.index(0) + 1
    return brackets, heads


# --- brackets


def split(n: int, choose: Callable[[int, int], int]) -> list[Bracket]:
    """Return the brackets over n spans x, split from the top, without recursion.

    `choose(start, end)` returns the k with start < k < end at which [start, end) is split into
    ((x_<k), (x_k, (x_>k))). Then x_<k and x_>k are split in the same way.
    """
    brackets: list[Bracket] = []
    stack = [(0, n)]
    while stack:
        start, end = stack.pop()
        if end - start > 1:
            k = choose(start, end)
            brackets.append((start, end))
            if end - k > 1:
                brackets.append((k, end))
            stack += [(k + 1, end), (start, k)]
    return brackets


def best_split(sums: np.ndarray, start: int, end: int) -> int:
    """Return the k at which it is best to split [start, end).

    It maximises the mean relatedness inside the blocks [start, k) and [k, end) minus the mean between them.

    Args:
        sums: of the relatedness, as `cumulative` returns them. They make each mean O(1).
        start: the first span.
        end: one past the last span; at least `start` + 2.
    """
    k = np.arange(start + 1, end)
    left, right = k - start, end - k

    def total(top: Index, bottom: Index, first: Index, last: Index) -> np.ndarray:
        return sums[bottom, last] - sums[top, last] - sums[bottom, first] + sums[top, first]

    inside = (total(start, k, start, k) + total(k, end, k, end)) / (left**2 + right**2)
    between = (total(start, k, k, end) + total(k, end, start, k)) / (2 * left * right)
    return int(k[np.argmax(inside - between)])


def cumulative(matrix: np.ndarray) -> np.ndarray:
    """Return the sums over the rows before i and the columns before j: [n, n] -> float64 [n + 1, n + 1]."""
    return np.pad(matrix.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def bracketed(words: list[str], brackets: list[Bracket]) -> str:
    """Write a tree as text. A parenthesis in a word is written as in the Penn Treebank.

    >>> bracketed(["我", "们", "都", "笑"], [(0, 4), (0, 2), (2, 4)])
    '((我 们) (都 笑))'
    """
    opening, closing = [0] * len(words), [0] * len(words)
    for start, end in brackets:
        opening[start] += 1
        closing[end - 1] += 1
    words = [word.replace("(", "-LRB-").replace(")", "-RRB-") for word in words]
    return " ".join("(" * a + word + ")" * b for a, word, b in zip(opening, words, closing, strict=True))


# --- heads


def best_heads(scores: np.ndarray, roots: np.ndarray) -> list[int]:
    """Return the heads of the best projective dependency tree with one root (Eisner, COLING 1996).

    The tree has the largest sum of `scores[head, dependent]`, float [n, n], and `roots[root]`, float [n]. Heads count
    from 1, and 0 is the root.
    """
    n = len(scores) + 1
    edges = np.zeros((n, n))
    edges[1:, 1:] = scores
    edges[0, 1:] = roots
    edges[0] -= 1e6  # a root costs more than it can bring, so there is only one
    # [i, j, 1] is the best score over i to j with i as the head, [i, j, 0] with j. In `opened` there is an edge between
    # i and j, and the dependent still lacks its dependents on the far side.
    closed, opened = np.zeros((2, n, n, 2))
    closed_at, opened_at = np.zeros((2, n, n, 2), int)
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            sums = closed[i, i:j, 1] + closed[i + 1 : j + 1, j, 0]
            opened_at[i, j] = i + sums.argmax()
            opened[i, j] = sums.max() + (edges[j, i], edges[i, j])
            sums = closed[i, i:j, 0] + opened[i:j, j, 0]
            closed_at[i, j, 0], closed[i, j, 0] = i + sums.argmax(), sums.max()
            sums = opened[i, i + 1 : j + 1, 1] + closed[i + 1 : j + 1, j, 1]
            closed_at[i, j, 1], closed[i, j, 1] = i + 1 + sums.argmax(), sums.max()
    heads, stack = [0] * n, [(0, n - 1, 1, True)]
    while stack:
        i, j, right, is_closed = stack.pop()
        if i == j:
            continue
        split_at = closed_at if is_closed else opened_at
        k = int(split_at[i, j, right])
        if not is_closed:
            head, dependent = (i, j) if right else (j, i)
            heads[dependent] = head
            stack += [(i, k, 1, True), (k + 1, j, 0, True)]
        elif right:
            stack += [(i, k, 1, False), (k, j, 1, True)]
        else:
            stack += [(i, k, 0, True), (k, j, 0, False)]
    return heads[1:]


# --- baselines


def left_branching(n: int) -> Tree:
    """Return (((1 2) 3) 4) for 4 spans, where the head of each span is the next one."""
    return [(0, end) for end in range(n, 1, -1)], [*range(2, n + 1), 0]


def right_branching(n: int) -> Tree:
    """Return (1 (2 (3 4))) for 4 spans, where the head of each span is the one before."""
    return [(start, n) for start in range(n - 1)], list(range(n))


def random_tree(n: int, rng: np.random.Generator) -> Tree:
    """Return a tree of n spans with random brackets and heads.

    Brackets are split in two at random places. For the heads, a random span is the root. On each side of it, a random
    span depends on it, and each side is divided further in the same way.
    """
    brackets: list[Bracket] = []
    stack = [(0, n)]
    while stack:
        start, end = stack.pop()
        if end - start > 1:
            brackets.append((start, end))
            k = int(rng.integers(start + 1, end))
            stack += [(k, end), (start, k)]
    heads, headless = [0] * n, [(0, n, 0)]
    while headless:
        start, end, head = headless.pop()
        if end > start:
            k = int(rng.integers(start, end))
            heads[k] = head
            headless += [(k + 1, end, k + 1), (start, k, k + 1)]
    return brackets, heads
