"""Batches of similar length, in an order that is a pure function of (seed, epoch)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

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


class Batches:
    """The batches of one epoch, from number `skip` on: a pure function of the seed.

    Args:
        items: what is trained on.
        order: for each batch the indices of its items.
        collate: makes (inputs, targets) of a batch's items; draws from the generator that it is given.
        seed: integers, for instance of the run and of the epoch.
        skip: batches that are done already.
    """

    def __init__(
        self,
        items: Sequence,
        order: Sequence[Sequence[int]],
        collate: Callable[[list, np.random.Generator], tuple[Any, Any]],
        seed: tuple[int, ...],
        skip: int = 0,
    ):
        self.items, self.order, self.collate, self.seed, self.skip = items, order, collate, seed, skip

    def __len__(self) -> int:
        return len(self.order) - self.skip

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number = self.skip + index
        return self.collate([self.items[i] for i in self.order[number]], np.random.default_rng((*self.seed, number)))

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return (self[index] for index in range(len(self)))


def hold_out(items: Sequence[T], share: float, seed: int) -> tuple[list[T], list[T]]:
    """Shuffles the items and splits a share of them off: (the rest, the share)."""
    order = np.random.default_rng(seed).permutation(len(items))
    kept = int(share * len(items))
    return [items[i] for i in order[kept:]], [items[i] for i in order[:kept]]


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
