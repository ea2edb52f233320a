"""Perturbed masking (arXiv 2004.14786): how much the encoder's vector of a masked span moves when another span is
masked, too.

f(i, j) = || H(x without i)_i - H(x without i and j)_i ||, H the hidden states before the encoder's last block, averaged
over a span's tokens. A copy of the sentence with i and j masked serves f(i, j) and f(j, i).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from common.batching import pad
from common.inference import MAX_TOKENS, Engine, in_length_order

COPIES = 4096  # of so many at least batches are made: enough of each length, and little to hold


class Piece(NamedTuple):
    """What the encoder sees at once, a sentence or a part of one."""

    token_ids: np.ndarray  # int32 [n] with [CLS] and [SEP]
    bounds: np.ndarray  # int32 [spans + 1]: span i has the tokens from bounds[i] to bounds[i + 1]


def neighbours(n: int) -> np.ndarray:
    """The pairs (i, i + 1) of n spans, int [n - 1, 2]."""
    return np.arange(max(n - 1, 0))[:, None] + [0, 1]


def all_pairs(n: int) -> np.ndarray:
    """The pairs i < j of n spans, int [n (n - 1) / 2, 2]."""
    return np.stack(np.triu_indices(n, 1), axis=1)


def relatedness(
    pieces: Iterable[Piece], pairs_of: Callable[[int], np.ndarray], engine: Engine, mask_id: int
) -> Iterator[np.ndarray]:
    """For each piece f(i, j) and f(j, i) of the pairs that `pairs_of` gives for its number of spans: float32 [p, 2].

    engine: that of `model.build_model`. The copies of several pieces share batches by length; streaming.
    """
    for group in _groups(pieces, pairs_of):
        copies = []
        for piece, pairs in group:
            copies += [(piece, i, i) for i in range(len(piece.bounds) - 1)]
            copies += [(piece, i, j) for i, j in pairs.tolist()]
        lengths = [len(piece.token_ids) for piece, _, _ in copies]
        vectors = in_length_order(copies, lengths, lambda batch: engine(masked(batch, mask_id)), MAX_TOKENS)
        vectors = np.array(vectors, np.float32)
        start = 0
        for piece, pairs in group:
            alone = vectors[start : start + len(piece.bounds) - 1, 0]
            start += len(alone)
            yield np.linalg.norm(alone[pairs] - vectors[start : start + len(pairs)], axis=-1)
            start += len(pairs)


def masked(copies: list[tuple[Piece, int, int]], mask_id: int) -> dict[str, np.ndarray]:
    """The inputs of `model.build_model` for copies of pieces with two spans (or twice the same one) masked."""
    token_ids = pad([piece.token_ids for piece, _, _ in copies])
    spans = np.array([[piece.bounds[[a, a + 1]], piece.bounds[[b, b + 1]]] for piece, a, b in copies], np.int32)
    position = np.arange(token_ids.shape[1])
    token_ids[((position >= spans[..., :1]) & (position < spans[..., 1:])).any(1)] = mask_id
    return {"token_ids": token_ids, "spans": spans}


def _groups(pieces: Iterable[Piece], pairs_of: Callable[[int], np.ndarray]) -> Iterator[list[tuple[Piece, np.ndarray]]]:
    """Pieces with their pairs, as many together as have `COPIES` copies."""
    group, copies = [], 0
    for piece in pieces:
        spans = len(piece.bounds) - 1
        group.append((piece, pairs_of(spans)))
        copies += spans + len(group[-1][1])
        if copies >= COPIES:
            yield group
            group, copies = [], 0
    if copies:
        yield group
