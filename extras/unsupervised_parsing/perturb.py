"""Perturbed masking (arXiv 2004.14786): how far the vector of a masked span moves if another span is masked as well.

This is the relatedness f(i, j) = || H(x without i)_i - H(x without i and j)_i ||, where H are the hidden states before
the encoder's last block, averaged over the tokens of a span. One copy of the sentence with i and j masked serves both
f(i, j) and f(j, i).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from common.batching import pad
from common.inference import MAX_TOKENS, Engine, in_length_order

COPIES = 4096  # masked copies that are batched together: enough of each length, and few enough for the memory


class Piece(NamedTuple):
    """What the encoder sees at once: a sentence or a part of one."""

    token_ids: np.ndarray  # int32 [n] with [CLS] and [SEP]
    bounds: np.ndarray  # int32 [spans + 1]: span i has the tokens [bounds[i], bounds[i + 1])


class ChoosePairs(Protocol):
    """Chooses the pairs of spans that are compared: `neighbours` or `all_pairs`."""

    def __call__(self, n: int) -> np.ndarray:
        """Return pairs i < j of n spans, int [p, 2]."""


def neighbours(n: int) -> np.ndarray:
    """Return the pairs (i, i + 1) of n spans, int [n - 1, 2]."""
    return np.arange(max(n - 1, 0))[:, None] + [0, 1]


def all_pairs(n: int) -> np.ndarray:
    """Return all pairs i < j of n spans, int [n (n - 1) / 2, 2]."""
    return np.stack(np.triu_indices(n, 1), axis=1)


def relatedness(pieces: Iterable[Piece], pairs_of: ChoosePairs, engine: Engine, mask_id: int) -> Iterator[np.ndarray]:
    """Yield for each piece the relatedness f(i, j) and f(j, i) of p pairs of spans: float32 [p, 2], streaming.

    Args:
        pieces: what to mask. Masked copies of several pieces are batched together by length.
        pairs_of: chooses the pairs of a piece.
        engine: runs `model.build_model`.
        mask_id: the id of [MASK].
    """
    for group in _groups(pieces, pairs_of):
        copies = []
        for piece, pairs in group:
            copies += [(piece, i, i) for i in range(len(piece.bounds) - 1)]
            copies += [(piece, i, j) for i, j in pairs.tolist()]
        lengths = [len(piece.token_ids) for piece, _, _ in copies]
        rows = in_length_order(copies, lengths, lambda batch: engine(masked(batch, mask_id)), MAX_TOKENS)
        vectors = np.array(rows, np.float32)
        start = 0
        for piece, pairs in group:
            alone = vectors[start : start + len(piece.bounds) - 1, 0]
            start += len(alone)
            yield np.linalg.norm(alone[pairs] - vectors[start : start + len(pairs)], axis=-1)
            start += len(pairs)


def masked(copies: list[tuple[Piece, int, int]], mask_id: int) -> dict[str, np.ndarray]:
    """Return the inputs of `model.build_model` for masked copies, each (piece, span i, span j).

    Both spans are masked. They may be the same one.
    """
    token_ids = pad([piece.token_ids for piece, _, _ in copies])
    spans = np.array([[piece.bounds[[a, a + 1]], piece.bounds[[b, b + 1]]] for piece, a, b in copies], np.int32)
    position = np.arange(token_ids.shape[1])
    token_ids[((position >= spans[..., :1]) & (position < spans[..., 1:])).any(1)] = mask_id
    return {"token_ids": token_ids, "spans": spans}


def _groups(pieces: Iterable[Piece], pairs_of: ChoosePairs) -> Iterator[list[tuple[Piece, np.ndarray]]]:
    """Yield pieces with their pairs, in groups that have at least `COPIES` copies together."""
    group: list[tuple[Piece, np.ndarray]] = []
    copies = 0
    for piece in pieces:
        spans = len(piece.bounds) - 1
        pairs = pairs_of(spans)
        group.append((piece, pairs))
        copies += spans + len(pairs)
        if copies >= COPIES:
            yield group
            group, copies = [], 0
    if copies:
        yield group
