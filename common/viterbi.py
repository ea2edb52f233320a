"""Exact batched Viterbi: the best path of a conditional random field (common/crf.py). No TensorFlow here."""

import numpy as np

_FEW = 8  # best tags of a step that are looked at first


def viterbi(emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The best path of tags of each sequence, int [length] each.

    emissions: float32 [batch, longest, n]. transitions: [n, n], from row to column. lengths: int [batch].

    Max-plus has no matrix product. But the best predecessor of nearly every tag is among the few best tags of
    the step before; only where a bound leaves doubt are all n looked at.
    """
    _, longest, n = emissions.shape
    arriving = np.ascontiguousarray(transitions.T)
    highest = transitions.max(0)
    few = min(_FEW, n)
    scores, pointers = emissions[:, 0], []
    for t in range(1, longest):
        order = np.argpartition(-scores, few - 1, axis=1)[:, :few]
        best_scores = np.take_along_axis(scores, order, 1)
        through = best_scores[:, :, None] + transitions[order]  # [batch, few, n]
        chosen = through.argmax(1)
        reached = np.take_along_axis(through, chosen[:, None], 1)[:, 0]
        pointer = np.take_along_axis(order, chosen, 1)
        row, tag = np.nonzero(best_scores.min(1)[:, None] + highest > reached)
        if len(row):
            all_ways = scores[row] + arriving[tag]
            pointer[row, tag] = all_ways.argmax(1)
            reached[row, tag] = all_ways.max(1)
        pointers.append(pointer)
        scores = np.where((t < lengths)[:, None], reached + emissions[:, t], scores)
    paths = []
    for row, (length, tag) in enumerate(zip(lengths, scores.argmax(1), strict=True)):
        path = [tag]
        for pointer in pointers[: length - 1][::-1]:
            tag = pointer[row, tag]
            path.append(tag)
        paths.append(np.array(path[::-1]))
    return paths
