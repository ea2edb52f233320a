"""Says before a training how much gold is out of reach, and why."""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from common.cli import percent, quoted

WARN_ABOVE = 1 / 20  # share of a file's gold
EXAMPLES = 3  # the most that are shown of each cause

AT_EDGE = "white space at an edge, where no prediction has any"
NOT_IN_TEXT = "not in the text, or spelled differently there (white space, width, traditional or simplified characters)"
IN_TEXT = "in the text, but lost on the way back (fits no window, too long, cuts a token, or overlaps other spans)"


class Reach:
    """Collects gold items, and whether they are in reach: whether a model without mistakes finds them."""

    def __init__(self) -> None:
        self.total = 0
        self.lost: dict[str, list[str]] = defaultdict(list)  # cause -> examples

    def add(self, place: str, strings: Sequence[str], reached: bool, in_text: Callable[[str], bool]) -> None:
        """Add a gold item.

        Args:
            place: where it is in its file.
            strings: its strings, at least one.
            reached: whether a model without mistakes finds it.
            in_text: tells whether a part of its text equals a string as the metric compares them.
        """
        self.total += 1
        if not reached:
            cause, string = _cause(strings, in_text)
            self.lost[cause].append(f"{place} {quoted(string)}")

    def print(self, path: str, what: str) -> None:
        """Print how many items are out of reach. If these are many, or if there is no item, print a warning.

        `what` is a plural noun for the items, such as "triples". The warning goes to standard error, and names the
        likely causes.
        """
        lost = sum(map(len, self.lost.values()))
        part = f"{lost} of {self.total} {what} ({percent(lost, self.total)})"
        print(f"  out of reach: {part}")
        if not self.total:
            print(f"warning: {path}: has no {what}, so every prediction scores 0", file=sys.stderr)
        if lost <= WARN_ABOVE * self.total:
            return
        print(f"warning: {path}: {part} are out of reach: even a model without mistakes misses them", file=sys.stderr)
        for cause, examples in sorted(self.lost.items(), key=lambda item: -len(item[1])):
            shown = ", ".join(examples[:EXAMPLES])
            print(f"  {len(examples)} {cause}: {shown}", file=sys.stderr)


def _cause(strings: Sequence[str], in_text: Callable[[str], bool]) -> tuple[str, str]:
    """Return the likely cause why an item is out of reach, and the string of it that shows the cause."""
    for string in strings:
        if string != string.strip():
            return AT_EDGE, string
        if not in_text(string):
            return NOT_IN_TEXT, string
    return IN_TEXT, strings[0]


def perfect_scores(positives: np.ndarray, n_labels: int, length: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a lookup of the scores of a pair head that makes no mistakes, see `common.spans.pair_scores`.

    Args:
        positives: the pairs of tokens that score 1, int [p, 3] of (label, i, j). All others score 0.
        n_labels: how many labels the head scores.
        length: the tokens of the window.
    """
    scores = np.zeros((n_labels, length, length), bool)
    scores[tuple(positives.T)] = True
    return lambda i, j: scores[:, i, j]
