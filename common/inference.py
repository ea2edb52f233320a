"""Batched inference over engines: TensorFlow, or OpenVINO on CPUs."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from common.batching import length_sorted_batches

T = TypeVar("T")
R = TypeVar("R")
Engine = Callable[[dict[str, np.ndarray]], Any]  # inputs by name -> outputs, nested as the model's

# Padded tokens per batch: enough to keep the matrix products busy, little enough to stay in the caches.
MAX_TOKENS = 4096


def in_length_order(
    items: list[T], lengths: list[int], run: Callable[[list[T]], Iterable[R]], batch_size: int
) -> list[R]:
    """Runs batches of items of similar length; the results stand in the order of the items."""
    results = [None] * len(items)
    for batch in length_sorted_batches(lengths, batch_size, MAX_TOKENS):
        for index, result in zip(batch, run([items[i] for i in batch]), strict=True):
            results[index] = result
    return results


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter (itertools.batched comes with Python 3.12)."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
