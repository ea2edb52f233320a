"""Precision, recall and F1 of words as SIGHAN counts them; brackets and attachment of trees."""

from collections.abc import Iterable
from itertools import accumulate, pairwise

from trees import Tree

Counts = tuple[int, int, int]  # right, predicted, gold


def f1(right: int, predicted: int, gold: int) -> dict[str, float]:
    """With four decimals."""
    precision, recall = right / max(predicted, 1), right / max(gold, 1)
    score = 2 * right / max(predicted + gold, 1)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(score, 4)}


def add(counts: Iterable[Counts]) -> Counts:
    return tuple(map(sum, zip((0, 0, 0), *counts, strict=True)))


def count_words(predicted: list[str], gold: list[str]) -> Counts:
    """A word is right if it has both ends where gold has a word's."""
    ours, theirs = _places(predicted), _places(gold)
    return len(ours & theirs), len(ours), len(theirs)


def _places(words: list[str]) -> set[tuple[int, int]]:
    """Give the characters [start, end) of each word."""
    return set(pairwise(accumulate(map(len, words), initial=0)))


def count_brackets(tree: Tree, gold_heads: list[int], marks: list[bool]) -> Counts:
    """Brackets of a tree against those of gold, each a word with all that depends on it. Of the words that are no
    `marks` alone, and without brackets of one word and of all.
    """
    kept = [i for i, mark in enumerate(marks) if not mark]
    ours = {tuple(i for i in kept if start <= i < end) for start, end in tree[0]}
    yields = [set() for _ in marks]
    for word in kept:
        above = word
        while above >= 0:
            yields[above].add(word)
            above = gold_heads[above] - 1
    theirs = {tuple(sorted(found)) for found in yields}
    ours = {found for found in ours if 1 < len(found) < len(kept)}
    theirs = {found for found in theirs if 1 < len(found) < len(kept)}
    return len(ours & theirs), len(ours), len(theirs)


def count_attachment(heads: list[int], gold_heads: list[int], marks: list[bool]) -> tuple[int, int, int, int]:
    """Words with the right head, and how many there are; right edges whatever their direction, and how many there are.
    Of the words that are no `marks`: what hangs on a mark hangs on the mark's head.
    """
    ours, theirs = without_marks(heads, marks), without_marks(gold_heads, marks)
    right = sum(ours[word] == theirs[word] for word in ours)
    our_edges, their_edges = _edges(ours), _edges(theirs)
    return right, len(theirs), len(our_edges & their_edges), len(their_edges)


def _edges(heads: dict[int, int]) -> set[frozenset[int]]:
    """Give the edges between a word and its head, whatever their direction. The root has none."""
    return {frozenset((word, head)) for word, head in heads.items() if head}


def without_marks(heads: list[int], marks: list[bool]) -> dict[int, int]:
    """word -> head, both from 1, of the words that are no marks."""
    lifted = {}
    for word, (head, mark) in enumerate(zip(heads, marks, strict=True), 1):
        if not mark:
            while head and marks[head - 1]:
                head = heads[head - 1]
            lifted[word] = head
    return lifted
