"""Batches of similar length, in an order that is a pure function of (seed, epoch)."""

import numpy as np

# So many batches are sorted by length together: more means less padding, fewer means more mixing.
BATCHES_PER_POOL = 64


def bucketed_batches(lengths, batch_size, seed, epoch, max_tokens=None):
    """Shuffles, sorts pools of `BATCHES_PER_POOL` batches by length, cuts and shuffles the batches.

    lengths: int [n], tokens per item. batch_size: items per batch at most. max_tokens: padded tokens per batch
    at most; a single longer item is a batch of its own.
    Returns a list of int arrays of indices: every item once, the same for the same (seed, epoch).
    """
    lengths = np.asarray(lengths)
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    pool = batch_size * BATCHES_PER_POOL
    batches = []
    for start in range(0, len(order), pool):
        items = order[start : start + pool]
        items = items[np.argsort(lengths[items], kind="stable")]
        batches.extend(cut(items, lengths, batch_size, max_tokens))
    return [batches[i] for i in rng.permutation(len(batches))]


def length_sorted_batches(lengths, batch_size, max_tokens=None):
    """Batches for inference: longest first, so that the largest comes (and fails for lack of memory) first."""
    lengths = np.asarray(lengths)
    return cut(np.argsort(-lengths, kind="stable"), lengths, batch_size, max_tokens)


def cut(items, lengths, batch_size, max_tokens=None):
    """Cuts items (indices sorted by length) into batches under both budgets; see `bucketed_batches`."""
    batches, start, longest = [], 0, 0
    for end, item in enumerate(items):
        longest = max(longest, lengths[item])
        over = max_tokens is not None and longest * (end + 1 - start) > max_tokens
        if end > start and (end - start == batch_size or over):
            batches.append(items[start:end])
            start, longest = end, lengths[item]
    if len(items) > start:
        batches.append(items[start:])
    return batches


def padding_waste(batches, lengths):
    """Share of padded positions over all batches, 0 to 1."""
    lengths = np.asarray(lengths)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    return 1 - lengths.sum() / padded


def pad(arrays, value=0):
    """Stacks arrays that differ in their first axis: [batch, longest, ...], filled up with `value`."""
    longest = max(len(array) for array in arrays)
    padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), value, arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def model_inputs(features):
    """The inputs of a batch of features with `token_ids`, int32 [n] each: {"token_ids": int32 [batch, longest]}."""
    return {"token_ids": pad([feature.token_ids for feature in features])}
