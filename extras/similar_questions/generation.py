"""Writes similar questions by sampling or by beam search, for all questions of a batch together."""

from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax, softmax

from common.tokenizer import Tokenizer
from dataset import question_inputs
from decoder import Decoder

Tokens = list[np.ndarray]  # several questions, each int32 [n] without [CLS] and [SEP]


def sample(
    decoder: Decoder, tokenizer: Tokenizer, questions: Tokens, copies: int, top_p: float, longest: int, seeds: Sequence
) -> list[Tokens]:
    """Draw samples for each question, token by token (nucleus sampling, arXiv 1904.09751).

    The samples of a question depend on the question and its seed, and not on the other questions.

    Args:
        decoder: scores the next token.
        tokenizer: knows the ids of the special tokens.
        questions: the tokens of each question.
        copies: the number of samples for each question.
        top_p: a token is drawn from the likeliest ones that together have at least this probability.
        longest: the most tokens of a sample.
        seeds: one for each question, as `np.random.default_rng` takes them.

    Returns:
        `copies` samples for each question.
    """
    scores, state = decoder.start(question_inputs(questions, tokenizer)["token_ids"])
    row_of = np.repeat(np.arange(len(questions)), copies)
    scores, state = scores.numpy()[row_of], state.rows(row_of)
    draws = np.concatenate([np.random.default_rng(seed).random((longest, copies)) for seed in seeds], 1)
    tokens = np.full((len(row_of), longest), tokenizer.sep_id, np.int32)
    open_rows = np.arange(len(row_of))
    for position in range(longest):
        chosen = draw(softmax(allowed(scores, tokenizer, position), -1), top_p, draws[position, open_rows])
        tokens[open_rows, position] = chosen
        going_on = np.flatnonzero(chosen != tokenizer.sep_id)
        open_rows = open_rows[going_on]
        if position == longest - 1 or not len(open_rows):
            break
        scores, state = decoder.step(chosen[going_on], state.rows(going_on))
        scores = scores.numpy()
    ended = [row[: np.argmax(np.append(row, tokenizer.sep_id) == tokenizer.sep_id)] for row in tokens]
    return [ended[first : first + copies] for first in range(0, len(ended), copies)]


def draw(probabilities: np.ndarray, top_p: float, draws: np.ndarray) -> np.ndarray:
    """Draw a token for each row: int32 [rows].

    Args:
        probabilities: float [rows, entries], the probability of each entry of the vocabulary.
        top_p: only the likeliest entries that together have at least this probability can be drawn.
        draws: float [rows], random numbers in [0, 1) that decide which of them is drawn.
    """
    largest_first = -np.sort(-probabilities, -1)
    before = np.cumsum(largest_first, -1) - largest_first
    least = np.where(before < top_p, largest_first, np.inf).min(-1, keepdims=True)
    sums = np.cumsum(np.where(probabilities >= least, probabilities, 0), -1)
    return (sums > draws[:, None] * sums[:, -1:]).argmax(-1).astype(np.int32)


def beam_search(decoder: Decoder, tokenizer: Tokenizer, questions: Tokens, width: int, longest: int) -> list[Tokens]:
    """Search for the likeliest similar questions of each question.

    The search for a question stops as soon as `width` of its continuations have come to an end with [SEP].

    Args:
        decoder: scores the next token.
        tokenizer: knows the ids of the special tokens.
        questions: the tokens of each question.
        width: the number of beams, and of similar questions to find for each question.
        longest: the most tokens of a similar question.

    Returns:
        Up to `width` similar questions for each question, in descending order of the mean log-probability of their
        tokens, with [SEP]. There are fewer if fewer have come to an end.
    """
    scores, state = decoder.start(question_inputs(questions, tokenizer)["token_ids"])
    totals = log_softmax(allowed(scores.numpy(), tokenizer, 0), -1)[:, None]  # [open questions, beams, entries]
    prefixes = np.zeros((len(questions), 1, 0), np.int32)  # [open questions, beams, tokens]
    is_open = np.arange(len(questions))
    found: list[list[tuple[float, np.ndarray]]] = [[] for _ in questions]
    for position in range(longest + 1):
        parents, tokens, values = continuations(totals, 2 * width)
        ending = tokens == tokenizer.sep_id
        for row, rank in np.argwhere(ending):
            prefix = prefixes[row, parents[row, rank]]
            found[is_open[row]].append((values[row, rank] / (position + 1), prefix))
        kept = np.array([row for row, question in enumerate(is_open) if len(found[question]) < width], np.int64)
        if position == longest or not len(kept):
            break
        # A beam ends in one way at most, so at least `width` of the 2 * `width` continuations are open.
        going_on = np.argsort(ending[kept], -1, kind="stable")[:, :width]
        parents, tokens, values = (np.take_along_axis(part[kept], going_on, -1) for part in (parents, tokens, values))
        rows = (kept[:, None] * totals.shape[1] + parents).ravel()
        prefixes = np.take_along_axis(prefixes[kept], parents[..., None], 1)
        prefixes = np.concatenate([prefixes, tokens[..., None]], -1)
        is_open = is_open[kept]
        scores, state = decoder.step(tokens.ravel(), state.rows(rows))
        totals = log_softmax(allowed(scores.numpy(), tokenizer, position + 1), -1)
        totals = totals.reshape(*tokens.shape, -1) + values[..., None]
    return [[ids for _, ids in sorted(of_one, key=lambda pair: -pair[0])[:width]] for of_one in found]


def continuations(totals: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the `count` best continuations of each question's beams, best first.

    `totals` has the log-probability of each beam with each next token, float [questions, beams, entries]. Returns
    (beam, token, log-probability), all [questions, count]; the tokens are int32.
    """
    flat = totals.reshape(len(totals), -1)
    best = np.argpartition(-flat, count, -1)[:, :count]
    values = np.take_along_axis(flat, best, -1)
    order = np.argsort(-values, -1, kind="stable")
    best = np.take_along_axis(best, order, -1)
    entries = totals.shape[-1]
    return best // entries, (best % entries).astype(np.int32), np.take_along_axis(values, order, -1)


def allowed(scores: np.ndarray, tokenizer: Tokenizer, position: int) -> np.ndarray:
    """Return a copy of the scores in which tokens that must not come next have minus infinity.

    These are [PAD], [UNK], [CLS] and [MASK], and at the beginning of a question also [SEP], which ends it.

    Args:
        scores: float [rows, entries], of the next token.
        tokenizer: knows the ids of the special tokens.
        position: the number of tokens that the question already has.
    """
    scores = scores.copy()
    scores[:, [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.mask_id]] = -np.inf
    if position == 0:
        scores[:, tokenizer.sep_id] = -np.inf
    return scores
