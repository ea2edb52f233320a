"""Masked accuracy and pseudo-perplexity."""

import numpy as np

from common.batching import length_sorted_batches
from common.inference import MAX_TOKENS, Engine
from common.tokenizer import Tokenizer
from dataset import Windows, masked_batch

SCORES = ("accuracy", "perplexity", "word_accuracy")


def score(engine: Engine, windows: Windows, tokenizer: Tokenizer) -> dict[str, float]:
    """Of masks that are always the same for the same text, every chosen token shown as [MASK].

    accuracy: share of the single tokens found. perplexity: exp of the mean of -log p of them. word_accuracy: share of
    the tokens found where whole words were masked.
    """
    single, log_p = find(engine, windows, tokenizer, whole_words=0.0)
    words, _ = find(engine, windows, tokenizer, whole_words=1.0)
    values = round(float(single.mean()), 4), round(float(np.exp(-log_p.mean())), 3), round(float(words.mean()), 4)
    return dict(zip(SCORES, values, strict=True))


def find(engine: Engine, windows: Windows, tokenizer: Tokenizer, whole_words: float) -> tuple[np.ndarray, np.ndarray]:
    """For all tokens that are masked: found or not, bool [n], and the log of its probability, float [n]."""
    found, log_p = [], []
    for number, batch in enumerate(length_sorted_batches(windows.lengths, MAX_TOKENS, MAX_TOKENS)):
        rng = np.random.default_rng(number)
        inputs, tokens = masked_batch([windows[i] for i in batch], rng, tokenizer, whole_words, noise=0.0)
        scores = engine(inputs)[tokens != 0].astype(np.float32)
        tokens = tokens[tokens != 0]
        own = scores[np.arange(len(tokens)), tokens]
        largest = scores.max(-1)
        found.append(scores.argmax(-1) == tokens)
        log_p.append(own - largest - np.log(np.exp(scores - largest[:, None]).sum(-1)))
    return np.concatenate(found), np.concatenate(log_p)
