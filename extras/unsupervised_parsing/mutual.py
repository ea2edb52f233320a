"""The mutual information of neighbouring characters, counted in a text."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from sentences import Sentence

UNSEEN = 0.01  # the least ratio to chance; a pair that was never seen has a ratio of 0, which has no logarithm


class MutualInformation:
    """Scores neighbouring tokens by log(p(ab) / (p(a) p(b))) of the characters a and b where they meet."""

    def __init__(self, lines: Iterable[str]):
        """Count the pairs of characters in lines of text. White space parts them."""
        self.pairs: Counter[str] = Counter()
        for line in lines:
            for part in line.split():
                self.pairs.update(map("".join, pairwise(part)))
        self.left: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        for pair, count in self.pairs.items():
            self.left[pair[0]] += count
            self.right[pair[1]] += count
        self.total = self.pairs.total()

    def __call__(self, sentence: Sentence) -> np.ndarray:
        """Return the scores of the neighbours in a sentence of n tokens, float64 [n - 1]."""
        joints = [a[-1] + b[0] for a, b in pairwise(sentence.spans)]
        ratios = [self.pairs[ab] * self.total / max(self.left[ab[0]] * self.right[ab[1]], 1) for ab in joints]
        return np.log(np.maximum(np.array(ratios, np.float64), UNSEEN))
