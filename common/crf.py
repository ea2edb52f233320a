"""A linear-chain conditional random field (CRF) for sequence labelling: loss by matrix products, batched Viterbi.

A path y over emissions e [length, labels] scores sum_t e[t, y_t] + sum_t transitions[y_{t-1}, y_t].
"""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.losses import TINY

_FEW = 8  # best labels of a step that Viterbi looks at first


class Transitions(keras.layers.Layer):
    """The matrix [labels, labels] of a CRF's transitions, from row to column; whatever it is called with."""

    def __init__(self, labels, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.labels = labels

    def build(self, input_shape):
        self.matrix = self.add_weight("matrix", [self.labels, self.labels], initializer="glorot_uniform")

    def call(self, inputs):
        return tf.identity(self.matrix)


def crf_loss(labels, emissions, transitions, mask):
    """Negative log-likelihood of the label paths, float32 [batch].

    labels: int [batch, length]. emissions: [batch, length, n]. transitions: [n, n], from row to column.
    mask: bool [batch, length], true up to the end of each sequence, at least once.

    The step of the forward recursion, log sum_i exp(a_i + T_ij), is one matrix product of exp(a) and exp(T), each
    shifted by its maximum, in place of a [batch, n, n] broadcast; its gradient is the backward recursion, written
    out below: the pairwise marginals of all steps are one more product. A sum that is more than e^-85 below the
    product of the largest entries underflows and is taken as that bound.
    """
    emissions, transitions = tf.cast(emissions, tf.float32), tf.cast(transitions, tf.float32)
    weight = tf.cast(mask, tf.float32)
    on_path = tf.gather(emissions, labels, batch_dims=2) * weight
    between = tf.gather_nd(transitions, tf.stack([labels[:, :-1], labels[:, 1:]], -1)) * weight[:, 1:]
    score = tf.reduce_sum(on_path, 1) + tf.reduce_sum(between, 1)
    return _log_partition(emissions, transitions, weight) - score


@tf.custom_gradient
def _log_partition(emissions, transitions, weight):
    """log of the summed exp(score) of all paths: [batch, length, n], [n, n], [batch, length] -> [batch]."""
    highest = tf.reduce_max(transitions)
    kernel = tf.exp(transitions - highest)
    steps, inside = tf.transpose(emissions, [1, 0, 2]), tf.transpose(weight)[..., None] > 0

    def forward(state, step):
        """Probabilities of the labels at the step before, given all before it -> the same at this step."""
        before, _, _ = state
        emission, is_inside = step
        x = tf.math.log(tf.maximum(before @ kernel, TINY)) + emission
        log_sum = tf.reduce_logsumexp(x, -1, keepdims=True)
        now = tf.where(is_inside, tf.exp(x - log_sum), before)
        return now, tf.where(is_inside, log_sum + highest, 0.0), tf.exp(emission - log_sum)

    log_sum = tf.reduce_logsumexp(steps[0], -1, keepdims=True)
    start = tf.exp(steps[0] - log_sum)
    probabilities, log_sums, likelihoods = tf.scan(
        forward, (steps[1:], inside[1:]), (start, log_sum, tf.zeros_like(start))
    )
    total = tf.squeeze(tf.reduce_sum(log_sums, 0) + log_sum, -1)

    def gradient(upstream):
        def backward(after, step):
            """What is to come makes of each label: at this step -> at the step before."""
            likelihood, is_inside = step
            return tf.where(is_inside, tf.matmul(likelihood * after, kernel, transpose_b=True), after)

        futures = tf.scan(backward, (likelihoods, inside[1:]), tf.ones_like(start), reverse=True)
        futures = tf.concat([futures, tf.ones_like(start)[None]], 0)
        past = tf.concat([start[None], probabilities], 0)
        scale = upstream[:, None]
        marginals = tf.where(inside, past * futures, 0.0) * scale
        arriving = tf.where(inside[1:], likelihoods * futures[1:], 0.0) * scale
        pairs = tf.einsum("lbi,lbj->ij", past[:-1], arriving) * kernel
        return tf.transpose(marginals, [1, 0, 2]), pairs, None

    return total, gradient


def viterbi(emissions: np.ndarray, transitions: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The best label path of each sequence, int [length] each.

    emissions: float32 [batch, longest, n]. transitions: [n, n], from row to column. lengths: int [batch].

    Max-plus has no matrix product. But the best predecessor of nearly every label is among the few best labels of
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
        row, label = np.nonzero(best_scores.min(1)[:, None] + highest > reached)
        if len(row):
            all_ways = scores[row] + arriving[label]
            pointer[row, label] = all_ways.argmax(1)
            reached[row, label] = all_ways.max(1)
        pointers.append(pointer)
        scores = np.where((t < lengths)[:, None], reached + emissions[:, t], scores)
    paths = []
    for row, (length, label) in enumerate(zip(lengths, scores.argmax(1), strict=True)):
        path = [label]
        for pointer in pointers[: length - 1][::-1]:
            path.append(label := pointer[row, label])
        paths.append(np.array(path[::-1]))
    return paths
