"""Batches of items of similar length, in an order that depends only on (seed, epoch)."""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import numpy as np

Integers = Sequence[int] | np.ndarray

# This many batches are sorted by length together. More of them mean less padding, fewer mean more mixing.
BATCHES_PER_POOL = 64


class Rounding(NamedTuple):
    """What the sizes of a batch are rounded up to. A GPU is fast at some sizes, and XLA compiles each one anew."""

    tokens: int = 1  # lengths are multiples of this, but at most `longest`
    longest: int = 1
    rows: int = 0  # a smaller batch is filled up to this many rows, whose weights are 0
    positives: int = 1  # the numbers of positives of all heads are the same power of two, and at least this


NO_ROUNDING = Rounding()
_rounding: ContextVar[Rounding] = ContextVar("rounding", default=NO_ROUNDING)  # of the batch that is being made


class Collate(Protocol):
    """Makes the (inputs, targets) of a batch, arrays in dicts or tuples. `rng` is the only source of randomness."""

    def __call__(self, items: list, rng: np.random.Generator, /) -> tuple[Any, Any]: ...


def bucketed_batches(
    lengths: Integers, batch_size: int, seed: int, epoch: int, max_tokens: int | None = None
) -> list[np.ndarray]:
    """Return the batches of an epoch in random order, each an int array with the indices of items of similar length.

    Items are shuffled, then sorted by length within pools of `BATCHES_PER_POOL` batches. Each is in exactly one batch.

    Args:
        lengths: number of tokens of each item, int [n].
        batch_size: the most items in a batch.
        seed: the run's seed. The result is always the same for the same seed and epoch.
        epoch: number of the epoch.
        max_tokens: the most tokens in a batch, padding included. A longer item is a batch of its own.
    """
    lengths = np.asarray(lengths)
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    pool = batch_size * BATCHES_PER_POOL
    batches: list[np.ndarray] = []
    for start in range(0, len(order), pool):
        items = order[start : start + pool]
        items = items[np.argsort(lengths[items], kind="stable")]
        batches.extend(cut(items, lengths, batch_size, max_tokens))
    return [batches[i] for i in rng.permutation(len(batches))]


def cut(items: np.ndarray, lengths: np.ndarray, batch_size: int, max_tokens: int | None = None) -> list[np.ndarray]:
    """Cut items (indices sorted by length) into batches, with the limits of `bucketed_batches`."""
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
    """The batches of one epoch. They follow from the arguments alone, so a resumed epoch has the same ones.

    Args:
        items: the items to train on.
        order: the indices of the items of each batch.
        collate: makes (inputs, targets) from the items of a batch.
        seed: integers, for instance the run's seed and the number of the epoch.
        skip: number of batches at the start that are done already and are left out.
        rounding: what sizes are rounded up to.
    """

    def __init__(
        self,
        items: Sequence,
        order: Sequence[Integers],
        collate: Collate,
        seed: tuple[int, ...],
        skip: int = 0,
        rounding: Rounding = NO_ROUNDING,
    ):
        self.items, self.order, self.collate, self.seed = items, order, collate, seed
        self.skip, self.rounding = skip, rounding

    def __len__(self) -> int:
        return len(self.order) - self.skip

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return (inputs, targets) and, if rows are filled up, the weights of the rows, float32 [batch]."""
        number = self.skip + index
        items = [self.items[i] for i in self.order[number]]
        fill = max(self.rounding.rows - len(items), 0)
        token = _rounding.set(self.rounding)
        try:  # the first item stands in for the rows that are missing, since every loss is finite for it
            batch = self.collate(items + items[:1] * fill, np.random.default_rng((*self.seed, number)))
        finally:
            _rounding.reset(token)
        weights = np.repeat(np.array([1, 0], np.float32), [len(items), fill])
        return (*batch, weights) if self.rounding.rows else batch

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (self[index] for index in range(len(self)))


def pad_tokens(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Pad arrays with an entry for each token of a row, [length, ...], with 0. See `Rounding.tokens`."""
    rounding = _rounding.get()
    rounded = -(-max(map(len, arrays)) // rounding.tokens) * rounding.tokens
    return pad(arrays, 0, min(rounded, rounding.longest))


def pad_positives(targets: Mapping[str, Sequence[np.ndarray]], value: int = -1) -> dict[str, np.ndarray]:
    """Pad the positives of each head, [positives, ...] for a row, with `value`. See `Rounding.positives`."""
    least, size = _rounding.get().positives, 0
    if least > 1:
        most = max(len(array) for arrays in targets.values() for array in arrays)
        size = 1 << (max(least, most) - 1).bit_length()
    return {name: pad(arrays, value, size) for name, arrays in targets.items()}


def pad(arrays: Sequence[np.ndarray], value: int = 0, size: int = 0) -> np.ndarray:
    """Stack arrays [length, ...] into one [batch, longest or `size`, ...], filled up with `value`.

    The longest array decides unless `size` is more.
    """
    longest = max(size, *map(len, arrays))
    padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), value, arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def model_inputs(features: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the model's inputs for a batch: {"token_ids": int32 [batch, longest]}, padded with 0."""
    return {"token_ids": pad_tokens([feature.token_ids for feature in features])}
