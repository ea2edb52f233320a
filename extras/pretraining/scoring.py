"""The scores of a masked-language model: accuracy and pseudo-perplexity."""

import numpy as np

from common.inference import MAX_TOKENS, Engine, length_sorted_batches
from common.tokenizer import Tokenizer
from dataset import Windows, masked_batch

SCORES = ("accuracy", "perplexity", "word_accuracy")


def score(engine: Engine, windows: Windows, tokenizer: Tokenizer) -> dict[str, float]:
    """Score a model on a text. The masks are always the same, and every chosen token is shown as [MASK].

    Args:
        engine: runs the model, or a baseline with the same inputs and outputs.
        windows: the windows of the text.
        tokenizer: the encoder's tokenizer.

    Returns:
        accuracy: the share of the masked tokens that are found if single tokens are masked.
        perplexity: exp of the mean of -log p of these tokens.
        word_accuracy: the share of the masked tokens that are found if whole words are masked.
    """
    single, log_p = find(engine, windows, tokenizer, whole_words=0.0)
    words, _ = find(engine, windows, tokenizer, whole_words=1.0)
    values = round(float(single.mean()), 4), round(float(np.exp(-log_p.mean())), 3), round(float(words.mean()), 4)
    return dict(zip(SCORES, values, strict=True))


def find(engine: Engine, windows: Windows, tokenizer: Tokenizer, whole_words: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for every masked token whether it is found, bool [n], and the log of its probability, float [n].

    Args:
        engine: as in `score`.
        windows: the windows of the text.
        tokenizer: the encoder's tokenizer.
        whole_words: the share of the batches in which whole words are masked.
    """
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
