"""Losses whose targets are indices: multi-label cross-entropy in sparse form, and the cross-entropy of tokens.

Like those of common/losses.py they compute in float32, and return one loss for each instance.
"""

from collections.abc import Callable

import tensorflow as tf

from common.losses import MASKED, Weighted, log1p_sum_exp


def sparse_multilabel_crossentropy(positives: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Return the loss, float32 [batch], for positives given as indices and scores [batch, n].

    `positives` are int [batch, p], padded with -1. Duplicates count once.

    The usual sparse formula subtracts the positives from the log-sum-exp of all scores. In confident models the two
    cancel (a positive score of 20 gives 4.99 instead of 2.42). Here the positives are taken out before the sum.
    """
    scores = tf.cast(scores, tf.float32)
    positives = tf.sort(tf.cast(positives, tf.int32), axis=-1)
    # They are sorted, so duplicates are next to each other.
    repeated = tf.pad(positives[:, 1:] == positives[:, :-1], [[0, 0], [1, 0]])
    valid = positives >= 0
    index = tf.where(valid, positives, 0)
    positive_scores = tf.gather(scores, index, batch_dims=1)
    rows = tf.broadcast_to(tf.range(tf.shape(scores)[0])[:, None], tf.shape(index))
    cells = tf.boolean_mask(tf.stack([rows, index], -1), valid)
    negative_scores = tf.tensor_scatter_nd_update(scores, cells, tf.fill(tf.shape(cells)[:1], MASKED))
    return log1p_sum_exp(negative_scores) + log1p_sum_exp(tf.where(valid & ~repeated, -positive_scores, MASKED))


def token_crossentropy(tokens: tf.Tensor, scores: tf.Tensor) -> Weighted:
    """Return the cross-entropy of tokens int32 [...], from scores of all vocabulary entries [..., entries].

    The losses are float32 [...]. Their weights are 0 where the token is 0, and 1 elsewhere.
    """
    rows = tf.reshape(tf.cast(tokens, tf.int32), [-1])
    losses = _softmax_crossentropy(rows, tf.reshape(scores, [-1, scores.shape[-1]]))
    return Weighted(tf.reshape(losses, tf.shape(tokens)), tf.cast(tokens != 0, tf.float32))


def _softmax_crossentropy(tokens: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Return log(sum(exp(scores))) - scores[token], float32 [n], for tokens int32 [n] and scores [n, entries].

    TensorFlow's own function takes twice as long, because it is not vectorised.
    """
    cells = tf.stack([tf.range(tf.shape(tokens)[0]), tokens], 1)

    @tf.custom_gradient
    def losses(scores: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        scores32 = tf.cast(scores, tf.float32)
        largest = tf.reduce_max(scores32, -1, keepdims=True)
        powers = tf.exp(scores32 - largest)
        total = tf.reduce_sum(powers, -1)
        own = tf.gather_nd(scores32, cells)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            of_scores = powers * (upstream / total)[..., None]
            return tf.cast(tf.tensor_scatter_nd_sub(of_scores, cells, upstream), scores.dtype)

        return tf.math.log(total) + largest[..., 0] - own, gradient

    return losses(tf.convert_to_tensor(scores))
