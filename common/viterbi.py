"""Exact batched Viterbi decoding: the best path of a conditional random field (common/crf.py). No TensorFlow here."""

import numpy as np

_SLACK = 1e-3  # more than rounding can change in a sum of scores


def viterbi(emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Find the best path of tags of each sequence, int [length] each.

    A step of a trained model leaves a few of hundreds of tags possible, and only those are tried.

    Args:
        emissions: float32 [batch, longest, n], the scores of the tags at each step.
        transitions: float32 [n, n], the scores of going from the tag of a row to the tag of a column.
        lengths: int [batch], the steps of each sequence.
    """
    tags, counts = _possible_tags(emissions, transitions)
    emissions = np.take_along_axis(emissions, tags, 2)
    scores, pointers = emissions[:, 0, : counts[0]], []
    last = scores.argmax(1)
    for t in range(1, len(counts)):
        before, now = tags[:, t - 1, : counts[t - 1]], tags[:, t, : counts[t]]
        through = scores[:, None] + transitions[before[:, None], now[:, :, None]]  # [batch, now, before]
        pointers.append(through.argmax(2))
        scores = through.max(2) + emissions[:, t, : counts[t]]
        last = np.where(t < lengths, scores.argmax(1), last)
    paths = []
    for row, (length, place) in enumerate(zip(lengths, last, strict=True)):
        places = [place]
        for pointer in pointers[: length - 1][::-1]:
            places.append(pointer[row, places[-1]])
        paths.append(tags[row, np.arange(length), places[::-1]])
    return paths


def _possible_tags(emissions: np.ndarray, transitions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the tags that the best path may have at each step.

    A tag is not among them if another one in its place would make any path better, whatever comes before and after.

    Returns:
        The tags in rising order, int [batch, longest, k], filled up with tag 0; and how many a step has at most in any
        sequence, int [longest].
    """
    batch, longest, _ = emissions.shape
    # What a tag gains at least and at most by its two transitions. The first and the last step have only one.
    least = sum(transitions.min(axis).clip(max=0) for axis in (0, 1))
    most = sum(transitions.max(axis).clip(min=0) for axis in (0, 1))
    bound = (emissions + least).max(2, keepdims=True) - _SLACK
    row, step, tag = np.nonzero(~(emissions + most < bound))  # NaN keeps a tag
    counts = np.bincount(row * longest + step, minlength=batch * longest)
    place = np.arange(len(tag)) - np.repeat(np.cumsum(counts) - counts, counts)
    tags = np.zeros((batch, longest, counts.max()), int)
    tags[row, step, place] = tag
    return tags, counts.reshape(batch, longest).max(0)
