"""Scores of neighbours -> words; the threshold that gives words of a wished mean length on unlabelled text."""

import random
from itertools import pairwise

import numpy as np

from common.cli import UserError
from common.config import find_files
from common.jsonl import read_lines
from sentences import Sentence, is_mark, to_sentence, tokens

SAMPLE = 1000  # lines on which a threshold is chosen


def join(sentence: Sentence, scores: np.ndarray, threshold: float) -> list[str]:
    """The words of a sentence of tokens. scores: float [n - 1] of its neighbours, joined at the threshold and above."""
    words = sentence.spans[:1]
    for token, joined in zip(sentence.spans[1:], joinable(sentence) & (scores >= threshold), strict=True):
        if joined:
            words[-1] += token
        else:
            words.append(token)
    return words


def joinable(sentence: Sentence) -> np.ndarray:
    """bool [n - 1]: the neighbours that may be of one word, with no white space between them and neither of them a
    punctuation mark."""
    mark = [is_mark(token) for token in sentence.spans]
    return np.array(
        [not (a or b or i in sentence.after_space) for i, (a, b) in enumerate(pairwise(mark), 1)], dtype=bool
    )


def choose_threshold(scored: list[tuple[Sentence, np.ndarray]], word_length: float) -> float:
    """The threshold at which the words of these sentences have so many characters on average. Raises UserError where
    none gives that."""
    sentences = [sentence for sentence, _ in scored]
    characters, count = sum(len(s.text) for s in sentences), sum(len(s.spans) for s in sentences)
    free = np.sort(np.concatenate([scores[joinable(sentence)] for sentence, scores in scored]))
    joins = round(count - characters / word_length)
    if not 1 <= joins <= len(free):
        least, most = characters / max(count - 1, 1), characters / max(count - len(free), 1)
        raise UserError(
            f"--word-length {word_length:g}: the text allows {least:.2f} to {most:.2f}; choose on more --text?"
        )
    return float(free[-joins])


def sample_sentences(text: str, size: int = SAMPLE) -> list[Sentence]:
    """Of lines that are not blank, drawn from a file, a folder's *.txt or a pattern; always the same."""
    rng, sample, seen = random.Random(0), [], 0
    for path in find_files(text):
        for _, line in read_lines(path):
            if line.strip():
                seen += 1
                if len(sample) < size:
                    sample.append(line)
                elif (place := rng.randrange(seen)) < size:
                    sample[place] = line
    if not sample:
        raise UserError(f"{text}: only blank lines, expected a sentence per line")
    return [to_sentence(line.split(), tokens) for line in sample]
