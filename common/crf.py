"""The loss of a linear-chain conditional random field (CRF) for sequence labelling, computed by matrix products.

With emissions e [length, tags] the score of a path y is sum_t e[t, y_t] + sum_t transitions[y_{t-1}, y_t].
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from common.losses import TINY


class Transitions(keras.layers.Layer):
    """The scores of a CRF's transitions, from the row's tag to the column's tag.

    Called with any tensor, it returns the matrix, float32 [tags, tags].
    """

    def __init__(self, n_tags: int, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.n_tags = n_tags

    def build(self, input_shape: tf.TensorShape) -> None:
        self.matrix = self.add_weight("matrix", [self.n_tags, self.n_tags], initializer="glorot_uniform")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.identity(self.matrix)


def crf_loss(tags: tf.Tensor, emissions: tf.Tensor, transitions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Return the negative log-likelihood of each sequence's tags, float32 [batch].

    The step of the forward recursion, log sum_i exp(a_i + T_ij), is one matrix product of exp(a) and exp(T) instead of
    a [batch, n, n] broadcast. a is shifted by its log-sum-exp and T by its maximum. A sum of this product that is less
    than `TINY` (e^-85) underflows and is replaced by `TINY`. The gradient is the backward recursion. It is written out
    below, because one more product then gives the pairwise marginals of all steps.

    Args:
        tags: int [batch, length].
        emissions: the score of each tag at each step, [batch, length, n].
        transitions: the scores [n, n], from the row's tag to the column's tag.
        mask: bool [batch, length], true up to the end of each sequence, which has at least one step.
    """
    emissions, transitions = tf.cast(emissions, tf.float32), tf.cast(transitions, tf.float32)
    weight = tf.cast(mask, tf.float32)
    on_path = tf.gather(emissions, tags, batch_dims=2) * weight
    between = tf.gather_nd(transitions, tf.stack([tags[:, :-1], tags[:, 1:]], -1)) * weight[:, 1:]
    score = tf.reduce_sum(on_path, 1) + tf.reduce_sum(between, 1)
    return _log_partition(emissions, transitions, weight) - score


@tf.custom_gradient
def _log_partition(
    emissions: tf.Tensor, transitions: tf.Tensor, weight: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple]]:
    """Return log(sum of exp(score) over all paths) [batch].

    `emissions` are [batch, length, n], `transitions` [n, n], and `weight` [batch, length] is 0 at padding.
    """
    highest = tf.reduce_max(transitions)
    kernel = tf.exp(transitions - highest)
    steps, inside = tf.transpose(emissions, [1, 0, 2]), tf.transpose(weight)[..., None] > 0

    def forward(state: tuple, step: tuple) -> tuple:
        """Turn the tags' probabilities, given all emissions so far, at the previous step into those at this step."""
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

    def gradient(upstream: tf.Tensor) -> tuple:
        def backward(after: tf.Tensor, step: tuple) -> tf.Tensor:
            """Carry back how well the rest of the sequence fits each tag, from this step to the previous one."""
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
