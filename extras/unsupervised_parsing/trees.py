"""Relatedness -> trees: brackets over spans, and the head of each span."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

Bracket = tuple[int, int]  # the spans [start, end), at least two
Tree = tuple[list[Bracket], list[int]]  # brackets, each before those inside it; heads, from 1, 0 is the root


def split(n: int, choose: Callable[[int, int], int]) -> Tree:
    """A tree over n spans: [start, end) falls at k = choose(start, end), start < k < end, into ((x_<k), (x_k, (x_>k))),
    then x_<k and x_>k fall further; x_k is the head of both."""
    brackets, heads, stack = [], [0] * n, [(0, n, 0)]
    while stack:
        start, end, head = stack.pop()
        if end - start > 1:
            k = choose(start, end)
            brackets += [(start, end), (k, end)] if end - k > 1 else [(start, end)]
            heads[k] = head
            stack += [(k + 1, end, k + 1), (start, k, k + 1)]
        elif end > start:
            heads[start] = head
    return brackets, heads


def best_split(sums: np.ndarray, start: int, end: int) -> int:
    """The k that maximises the mean relatedness inside [start, k) plus that inside [k, end) minus the two means between
    them, each in O(1). sums: see `cumulative`."""
    k = np.arange(start + 1, end)
    left, right = k - start, end - k

    def total(top, bottom, first, last):
        return sums[bottom, last] - sums[top, last] - sums[bottom, first] + sums[top, first]

    inside = total(start, k, start, k) / left**2 + total(k, end, k, end) / right**2
    between = (total(start, k, k, end) + total(k, end, start, k)) / (left * right)
    return int(k[np.argmax(inside - between)])


def cumulative(matrix: np.ndarray) -> np.ndarray:
    """The sums of the rows before i and the columns before j of [n, n], float64 [n + 1, n + 1]."""
    return np.pad(matrix.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def tree_of(matrix: np.ndarray, parts: list[int]) -> Tree:
    """The tree of a sentence from its relatedness [n, n] with a diagonal of 0. `parts` that begin at these spans are
    split each by itself; they are bracketed from the right, and the head of each is that of the one before."""
    brackets, heads, root = [], [], 0
    for start, end in pairwise([*parts, len(matrix)]):
        own, own_heads = split(end - start, partial(best_split, cumulative(matrix[start:end, start:end])))
        if end < len(matrix):
            brackets.append((start, len(matrix)))
        brackets += [(start + first, start + last) for first, last in own]
        heads += [start + head if head else root for head in own_heads]
        root = start + own_heads.index(0) + 1
    return brackets, heads


def left_branching(n: int) -> Tree:
    """(((1 2) 3) 4), the head of each the next one."""
    return [(0, end) for end in range(n, 1, -1)], [*range(2, n + 1), 0]


def right_branching(n: int) -> Tree:
    """(1 (2 (3 4))), the head of each the one before."""
    return [(start, n) for start in range(n - 1)], list(range(n))


def random_tree(n: int, rng: np.random.Generator) -> Tree:
    return split(n, lambda start, end: int(rng.integers(start + 1, end)))


def bracketed(words: list[str], brackets: list[Bracket]) -> str:
    """Like "((我 们) (都 笑))"; a parenthesis in a word is written as in the Penn Treebank."""
    opening, closing = [0] * len(words), [0] * len(words)
    for start, end in brackets:
        opening[start] += 1
        closing[end - 1] += 1
    words = [word.replace("(", "-LRB-").replace(")", "-RRB-") for word in words]
    return " ".join("(" * a + word + ")" * b for a, word, b in zip(opening, words, closing, strict=True))
