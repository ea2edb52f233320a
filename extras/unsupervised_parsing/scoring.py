"""Counts right words (as SIGHAN does), brackets and heads, and scores them."""

from collections.abc import Iterable
from itertools import accumulate, pairwise

from trees import Tree

Counts = tuple[int, int, int]  # right, predicted, gold


def f1(right: int, predicted: int, gold: int) -> dict[str, float]:
    """Return precision, recall and F1 from counts, with four decimals."""
    precision, recall = right / max(predicted, 1), right / max(gold, 1)
    score = 2 * right / max(predicted + gold, 1)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(score, 4)}


def add(counts: Iterable[Counts]) -> Counts:
    """Add up the counts of several sentences."""
    right, predicted, gold = map(sum, zip((0, 0, 0), *counts, strict=True))
    return right, predicted, gold


def count_words(predicted: list[str], gold: list[str]) -> Counts:
    """Count right, predicted and gold words. A word is right if gold has one with the same two ends."""
    ours, theirs = _places(predicted), _places(gold)
    return len(ours & theirs), len(ours), len(theirs)


def _places(words: list[str]) -> set[tuple[int, int]]:
    """Return the characters [start, end) of each word."""
    return set(pairwise(accumulate(map(len, words), initial=0)))


def count_brackets(tree: Tree, gold_heads: list[int], marks: list[bool]) -> Counts:
    """Count right, predicted and gold brackets. A gold bracket is a word with all words that depend on it.

    Punctuation is left out of the brackets. Brackets of one word or of the whole sentence do not count.

    Args:
        tree: the predicted tree.
        gold_heads: of each word; heads count from 1, and 0 is the root.
        marks: whether each word is punctuation.
    """
    kept = [i for i, mark in enumerate(marks) if not mark]
    ours = {tuple(i for i in kept if start <= i < end) for start, end in tree[0]}
    yields: list[set[int]] = [set() for _ in marks]
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
    """Count words with the right head, and edges that are right whatever their direction.

    Punctuation is left out, see `without_marks`.

    Args:
        heads: predicted, of each word; heads count from 1, and 0 is the root.
        gold_heads: the heads of gold, in the same form.
        marks: whether each word is punctuation.

    Returns:
        (right words, all words, right edges, all edges of gold).
    """
    ours, theirs = without_marks(heads, marks), without_marks(gold_heads, marks)
    right = sum(ours[word] == theirs[word] for word in ours)
    our_edges, their_edges = _edges(ours), _edges(theirs)
    return right, len(theirs), len(our_edges & their_edges), len(their_edges)


def _edges(heads: dict[int, int]) -> set[frozenset[int]]:
    """Return the edges between words and their heads, whatever their direction. The root has none."""
    return {frozenset((word, head)) for word, head in heads.items() if head}


def without_marks(heads: list[int], marks: list[bool]) -> dict[int, int]:
    """Return the head of each word, {word: head}, without punctuation.

    Words and heads count from 1, and 0 is the root. What hangs on a mark hangs on the mark's head instead.
    """
    lifted = {}
    for word, (head, mark) in enumerate(zip(heads, marks, strict=True), 1):
        if not mark:
            while head and marks[head - 1]:
                head = heads[head - 1]
            lifted[word] = head
    return lifted
