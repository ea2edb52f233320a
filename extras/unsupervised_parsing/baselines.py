"""Segmentation without an encoder, as a baseline."""

from collections.abc import Callable, Iterable

import numpy as np

from common.tokenizer import load_jieba
from joining import choose_threshold, contrast, join
from mutual import MutualInformation
from sentences import Segmenter, Sentence, to_sentence, tokens


def simple() -> dict[str, Segmenter]:
    """Return the baselines that learn nothing here: jieba, one word per character, one word per two characters."""
    return {
        "jieba": load_jieba().lcut,
        "characters": list,
        "pairs": lambda text: [text[i : i + 2] for i in range(0, len(text), 2)],
    }


def mutual_information(lines: Iterable[str], sample: list[Sentence], word_length: float) -> dict[str, Segmenter]:
    """Return the baselines that join tokens by the mutual information of characters, without and with `contrast`.

    Args:
        lines: the text on which characters are counted.
        sample: sentences of tokens. The thresholds are chosen on them, as segment.py chooses its own.
        word_length: the mean number of characters in a word that the thresholds have to give.
    """
    score = MutualInformation(lines)
    return {
        "mutual_information": _segmenter(score, sample, word_length),
        "mutual_information_contrast": _segmenter(lambda sentence: contrast(score(sentence)), sample, word_length),
    }


def _segmenter(score: Callable[[Sentence], np.ndarray], sample: list[Sentence], word_length: float) -> Segmenter:
    """Choose the threshold for scores of neighbours, and return a function that cuts a text by it."""
    threshold = choose_threshold([(sentence, score(sentence)) for sentence in sample], word_length)

    def segment(text: str) -> list[str]:
        sentence = to_sentence([text], tokens)
        return join(sentence, score(sentence), threshold)

    return segment
