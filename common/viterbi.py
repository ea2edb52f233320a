"""Exact batched Viterbi decoding: the best path of a conditional random field (common/crf.py). No TensorFlow here."""

import numpy as np

_FEW = 8  # this many of the best tags of a step are tried first


def viterbi(emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Find the best path of tags of each sequence, int [length] each.

    For a maximum over sums there is no fast matrix product. But the best predecessor of nearly every tag is among the
    few best tags of the step before. All n predecessors are tried only where a bound leaves doubt.

    Args:
        emissions: float32 [batch, longest, n], the scores of the tags at each step.
        transitions: float32 [n, n], the scores of going from the tag of a row to the tag of a column.
        lengths: int [batch], the steps of each sequence.
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
        rows, tags = np.nonzero(best_scores.min(1)[:, None] + highest > reached)
        if len(rows):
            all_ways = scores[rows] + arriving[tags]
            pointer[rows, tags] = all_ways.argmax(1)
            reached[rows, tags] = all_ways.max(1)
        pointers.append(pointer)
        scores = np.where((t < lengths)[:, None], reached + emissions[:, t], scores)
    paths = []
    for row, (length, last) in enumerate(zip(lengths, scores.argmax(1), strict=True)):
        path = [last]
        for pointer in pointers[: length - 1][::-1]:
            path.append(pointer[row, path[-1]])
        paths.append(np.array(path[::-1]))
    return paths
