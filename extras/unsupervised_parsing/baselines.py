"""What words are found without an encoder."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from common.tokenizer import load_jieba
from joining import choose_threshold, contrast, join
from sentences import Sentence, to_sentence, tokens

Segmenter = Callable[[str], list[str]]  # text without white space -> words

UNSEEN = 0.01  # times chance: what pairs that were never seen are taken for, so that their logarithm is a number


def simple() -> dict[str, Segmenter]:
    return {
        "jieba": load_jieba().lcut,
        "characters": list,
        "pairs": lambda text: [text[i : i + 2] for i in range(0, len(text), 2)],
    }


def mutual_information(lines: Iterable[str], sample: list[Sentence], word_length: float) -> dict[str, Segmenter]:
    """Tokens are joined where their neighbouring characters a and b have a high log(p(ab) / (p(a) p(b))), counted on
    `lines`, or a high contrast of it, as segment.py takes it; thresholds are chosen on `sample` as that of segment.py
    is.
    """
    pairs = Counter()
    for line in lines:
        for part in line.split():
            pairs.update(map("".join, pairwise(part)))
    left, right = Counter(), Counter()
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
    threshold = choose_threshold([(sentence, score(sentence)) for sentence in sample], word_length)

    def segment(text: str) -> list[str]:
        sentence = to_sentence([text], tokens)
        return join(sentence, score(sentence), threshold)

    return segment
