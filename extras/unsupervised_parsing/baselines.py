"""Segmentation without an encoder, as a baseline."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from common.tokenizer import load_jieba
from joining import choose_threshold, contrast, join
from sentences import Segmenter, Sentence, to_sentence, tokens

UNSEEN = 0.01  # the least ratio to chance; a pair that was never seen has a ratio of 0, which has no logarithm


def simple() -> dict[str, Segmenter]:
    """Return the baselines that learn nothing here: jieba, one word per character, one word per two characters."""
    return {
        "jieba": load_jieba().lcut,
        "characters": list,
        "pairs": lambda text: [text[i : i + 2] for i in range(0, len(text), 2)],
    }


def mutual_information(lines: Iterable[str], sample: list[Sentence], word_length: float) -> dict[str, Segmenter]:
    """Return the baselines that join tokens by the mutual information of characters.

    Tokens are joined if the last character a of one and the first character b of the next have a high
    log(p(ab) / (p(a) p(b))). The second baseline takes the `contrast` of this, as segment.py does.

    Args:
        lines: the text on which characters are counted.
        sample: sentences of tokens. The thresholds are chosen on them, as segment.py chooses its own.
        word_length: the mean number of characters in a word that the thresholds have to give.
    """
    pairs: Counter[str] = Counter()
    for line in lines:
        for part in line.split():
            pairs.update(map("".join, pairwise(part)))
    left: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for pair, count in pairs.items():
        left[pair[0]] += count
        right[pair[1]] += count
    total = pairs.total()

    def score(sentence: Sentence) -> np.ndarray:
        joints = [a[-1] + b[0] for a, b in pairwise(sentence.spans)]
        ratios = [pairs[ab] * total / max(left[ab[0]] * right[ab[1]], 1) for ab in joints]
        return np.log(np.maximum(np.array(ratios, np.float64), UNSEEN))

    scores = {"mutual_information": score, "mutual_information_contrast": lambda sentence: contrast(score(sentence))}
    return {name: _segmenter(score, sample, word_length) for name, score in scores.items()}


def _segmenter(score: Callable[[Sentence], np.ndarray], sample: list[Sentence], word_length: float) -> Segmenter:
    """Choose the threshold for scores of neighbours, and return a function that cuts a text by it."""
    threshold = choose_threshold([(sentence, score(sentence)) for sentence in sample], word_length)

    def segment(text: str) -> list[str]:
        sentence = to_sentence([text], tokens)
        return join(sentence, score(sentence), threshold)

    return segment
