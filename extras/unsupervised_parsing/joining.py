"""Joins neighbouring tokens into words, and chooses the threshold for words of a given mean length without labels."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, tee

import numpy as np

from common.cli import UserError
from common.inference import Engine
from common.tokenizer import Tokenizer
from mutual import MutualInformation
from perturb import neighbours, relatedness
from sentences import Sentence, cut_long, is_mark, read_text, to_sentence, tokens

SAMPLE = 1000  # the most lines on which a threshold is chosen
WORD_LENGTH = 1.6  # mean number of characters in a word; a punctuation mark counts as a word
Scored = tuple[Sentence, np.ndarray]  # a sentence of n tokens, and the scores of its neighbours, float [n - 1]


def score_neighbours(sentences: Iterable[Sentence], tokenizer: Tokenizer, engine: Engine) -> Iterator[Scored]:
    """Yield each sentence of n tokens with the scores of its neighbours, float32 [n - 1].

    The score is the `contrast` of (f(i, i+1) + f(i+1, i)) / 2.

    Args:
        sentences: their spans are tokens.
        tokenizer: of the encoder.
        engine: runs `model.build_model`.
    """
    # Pieces share a token, so that every two neighbours are in exactly one piece.
    cut, again = tee((sentence, cut_long(sentence, tokenizer, overlap=1)) for sentence in sentences)
    pieces = (piece for _, found in again for _, piece in found)
    both_ways = relatedness(pieces, neighbours, engine, tokenizer.mask_id)
    for sentence, found in cut:
        scores = [np.zeros(0, np.float32)]  # a blank line has no piece
        scores += [next(both_ways).mean(1) for _ in found]
        yield sentence, contrast(np.concatenate(scores))


def with_mutual_information(mutual: MutualInformation, sample: list[Scored]) -> Callable[[Scored], Scored]:
    """Return a function that adds the contrast of the mutual information of neighbours to their scores.

    Both are divided by their standard deviations in the sample, so that they weigh the same.
    """

    def deviation(scores: Iterable[np.ndarray]) -> float:
        kept = [own[joinable(sentence)] for (sentence, _), own in zip(sample, scores, strict=True)]
        return float(np.concatenate(kept).std()) or 1.0

    related = deviation(scores for _, scores in sample)
    informed = deviation(contrast(mutual(sentence)) for sentence, _ in sample)

    def add(scored: Scored) -> Scored:
        sentence, scores = scored
        return sentence, scores / related + contrast(mutual(sentence)) / informed

    return add


def join(sentence: Sentence, scores: np.ndarray, threshold: float) -> list[str]:
    """Join the tokens of a sentence into words.

    Args:
        sentence: of n tokens.
        scores: float [n - 1], of neighbouring tokens.
        threshold: neighbours whose score is at least this are joined, if they are `joinable`.
    """
    words = sentence.spans[:1]
    for token, joined in zip(sentence.spans[1:], joinable(sentence) & (scores >= threshold), strict=True):
        if joined:
            words[-1] += token
        else:
            words.append(token)
    return words


def joinable(sentence: Sentence) -> np.ndarray:
    """Return which neighbouring tokens may be in one word: bool [n - 1].

    There must be no white space between them, and neither may be a punctuation mark.
    """
    mark = [is_mark(token) for token in sentence.spans]
    return np.array(
        [not (a or b or i in sentence.after_space) for i, (a, b) in enumerate(pairwise(mark), 1)], dtype=bool
    )


def contrast(scores: np.ndarray) -> np.ndarray:
    """Return each score minus the mean of the scores before and after it: float [n] -> float [n].

    At either end, the score itself takes the place of the missing one. The contrast is high if two tokens are more
    related to each other than to the tokens on their other sides.
    """
    beside = np.pad(scores, 1, mode="edge") if len(scores) else np.zeros(2, scores.dtype)
    return scores - (beside[:-2] + beside[2:]) / 2


def count_joins(sentences: list[Sentence], word_length: float) -> int:
    """Return how many pairs of neighbours to join, so that words have `word_length` characters on average.

    Raises UserError if no number of joins from 1 on does that.
    """
    characters = sum(len(sentence.text) for sentence in sentences)
    spans = sum(len(sentence.spans) for sentence in sentences)
    most = sum(int(joinable(sentence).sum()) for sentence in sentences)
    joins = round(max(spans - characters / word_length, 0))
    if not 1 <= joins <= most:
        allowed = f"{characters / max(spans - 1, 1):.2f} to {characters / max(spans - most, 1):.2f}"
        raise UserError(
            f"words cannot have {word_length:g} characters on average: the text for the threshold allows {allowed}"
        )
    return joins


def choose_threshold(scored: list[Scored], word_length: float) -> float:
    """Return the threshold at which the words of sentences have `word_length` characters on average.

    Raises UserError if there is no such threshold, see `count_joins`.
    """
    joins = count_joins([sentence for sentence, _ in scored], word_length)
    candidates = np.concatenate([scores[joinable(sentence)] for sentence, scores in scored])
    return float(np.sort(candidates)[-joins])


def sample_sentences(text: str) -> list[Sentence]:
    """Draw up to `SAMPLE` lines that are not blank from a file, a folder's *.txt or a pattern.

    The same text always gives the same lines. Raises UserError if there are only blank lines.
    """
    rng, seen = random.Random(0), 0
    sample: list[str] = []
    for line in read_text(text):
        if line.strip():
            seen += 1
            if len(sample) < SAMPLE:
                sample.append(line)
                continue
            place = rng.randrange(seen)
            if place < SAMPLE:
                sample[place] = line
    if not sample:
        raise UserError(f"{text}: only blank lines, expected a sentence per line")
    return [to_sentence(line.split(), tokens) for line in sample]
