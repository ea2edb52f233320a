"""Exact batched Viterbi decoding: the best path of a conditional random field (common/crf.py). No TensorFlow here."""

import numpy as np

_FEW = 8  # this many of the best tags of a step are tried first
_SLACK = 1e-3  # more than rounding changes in the score of a tag and its two transitions


def viterbi(emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Find the best path of tags of each sequence, int [length] each.

    For a maximum over sums there is no fast matrix product. But a trained model leaves few of hundreds of tags
    possible, and the best predecessor of nearly every tag is among the few best tags of the step before. All
    predecessors are tried only where a bound leaves doubt.

    Args:
        emissions: float32 [batch, longest, n], the scores of the tags at each step.
        transitions: float32 [n, n], the scores of going from the tag of a row to the tag of a column.
        lengths: int [batch], the steps of each sequence.
    """
    tags, real = _possible_tags(emissions, transitions, lengths)
    emissions = np.where(real[:, None], np.take_along_axis(emissions, tags[:, None], 2), -np.inf)
    leaving = transitions[tags[:, :, None], tags[:, None]]  # [batch, k, k]
    arriving = np.ascontiguousarray(leaving.transpose(0, 2, 1))
    highest, every_row = leaving.max(1), np.arange(len(tags))[:, None]
    few = min(_FEW, tags.shape[1])
    scores, pointers = emissions[:, 0], []
    for t in range(1, lengths.max()):
        order = np.argpartition(-scores, few - 1, axis=1)[:, :few]
        best_scores = np.take_along_axis(scores, order, 1)
        through = best_scores[:, :, None] + leaving[every_row, order]  # [batch, few, k]
        chosen = through.argmax(1)
        reached = np.take_along_axis(through, chosen[:, None], 1)[:, 0]
        pointer = np.take_along_axis(order, chosen, 1)
        rows, columns = np.nonzero((best_scores.min(1)[:, None] + highest > reached) & real)
        if len(rows):
            all_ways = scores[rows] + arriving[rows, columns]
            pointer[rows, columns] = all_ways.argmax(1)
            reached[rows, columns] = all_ways.max(1)
        pointers.append(pointer)
        scores = np.where((t < lengths)[:, None], reached + emissions[:, t], scores)
    paths = []
    for row, (length, last) in enumerate(zip(lengths, scores.argmax(1), strict=True)):
        path = [last]
        for pointer in pointers[: length - 1][::-1]:
            path.append(pointer[row, path[-1]])
        paths.append(tags[row, path[::-1]])
    return paths


def _possible_tags(
    emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the tags that the best path of each sequence may have.

    A tag is not among them if at every step another one in its place would make any path better, whatever comes before
    and after.

    Returns:
        The tags in rising order, int [batch, k], filled up with 0; and which of them are no filling, bool [batch, k].
    """
    # What a tag gains at least and at most by its two transitions. The first and the last step have only one.
    least = sum(transitions.min(axis).clip(max=0) for axis in (0, 1))
    most = sum(transitions.max(axis).clip(min=0) for axis in (0, 1))
    bound = (emissions + least).max(2, keepdims=True) - _SLACK
    possible = ~(emissions + most < bound)  # NaN keeps a tag
    possible &= (np.arange(emissions.shape[1]) < lengths[:, None])[..., None]
    of_row = possible.any(1)
    counts = of_row.sum(1)
    real = np.arange(counts.max()) < counts[:, None]
    tags = np.zeros(real.shape, int)
    tags[real] = np.nonzero(of_row)[1]
    return tags, real
