"""Relatedness -> trees: brackets over spans, and the head of each span."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

Bracket = tuple[int, int]  # the spans [start, end), at least two
Tree = tuple[list[Bracket], list[int]]  # brackets, each before those inside it; heads, from 1, 0 is the root


def tree_of(matrix: np.ndarray, parts: list[int]) -> Tree:
    """The tree of a sentence from its relatedness f(i, j), [n, n] with a diagonal of 0. `parts` that begin at these
    spans have trees of their own; they are bracketed from the right, and the root of each hangs on that of the one
    before.
    """
    brackets, heads, root = [], [], 0
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
    """The brackets over n spans where [start, end) falls at k = choose(start, end), start < k < end, into
    ((x_<k), (x_k, (x_>k))), and x_<k and x_>k fall further.
    """
    brackets, stack = [], [(0, n)]
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
    """The k that maximises the mean relatedness inside the blocks [start, k) and [k, end) minus that between them, each
    in O(1). sums: see `cumulative`.
    """
    k = np.arange(start + 1, end)
    left, right = k - start, end - k

    def total(top, bottom, first, last):
        return sums[bottom, last] - sums[top, last] - sums[bottom, first] + sums[top, first]

    inside = (total(start, k, start, k) + total(k, end, k, end)) / (left**2 + right**2)
    between = (total(start, k, k, end) + total(k, end, start, k)) / (2 * left * right)
    return int(k[np.argmax(inside - between)])


def cumulative(matrix: np.ndarray) -> np.ndarray:
    """The sums of the rows before i and the columns before j of [n, n], float64 [n + 1, n + 1]."""
    return np.pad(matrix.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def bracketed(words: list[str], brackets: list[Bracket]) -> str:
    """Like "((我 们) (都 笑))"; a parenthesis in a word is written as in the Penn Treebank."""
    opening, closing = [0] * len(words), [0] * len(words)
    for start, end in brackets:
        opening[start] += 1
        closing[end - 1] += 1
    words = [word.replace("(", "-LRB-").replace(")", "-RRB-") for word in words]
    return " ".join("(" * a + word + ")" * b for a, word, b in zip(opening, words, closing, strict=True))


# --- heads


def best_heads(scores: np.ndarray, roots: np.ndarray) -> list[int]:
    """The projective dependency tree with the largest sum of scores[head, dependent], [n, n], and roots[root], [n]: the
    heads, from 1, 0 is the one root (Eisner, COLING 1996).
    """
    n = len(scores) + 1
    edges = np.zeros((n, n))
    edges[1:, 1:] = scores
    edges[0, 1:] = roots
    edges[0] -= 1e6  # costs more than it can bring, so there is one root
    # [i, j, 1]: the best over i to j with i as head, [i, j, 0]: with j; open: j and i still lack dependents there
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


# --- trees to compare with


def left_branching(n: int) -> Tree:
    """(((1 2) 3) 4), the head of each the next one."""
    return [(0, end) for end in range(n, 1, -1)], [*range(2, n + 1), 0]


def right_branching(n: int) -> Tree:
    """(1 (2 (3 4))), the head of each the one before."""
    return [(start, n) for start in range(n - 1)], list(range(n))


def random_tree(n: int, rng: np.random.Generator) -> Tree:
    """Brackets that fall in two at random, and heads of what is left and right of a random span."""
    brackets, stack = [], [(0, n)]
    while stack:
        start, end = stack.pop()
        if end - start > 1:
            brackets.append((start, end))
            k = int(rng.integers(start + 1, end))
            stack += [(k, end), (start, k)]
    heads, stack = [0] * n, [(0, n, 0)]
    while stack:
        start, end, head = stack.pop()
        if end > start:
            k = int(rng.integers(start, end))
            heads[k] = head
            stack += [(k + 1, end, k + 1), (start, k, k + 1)]
    return brackets, heads
