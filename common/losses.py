"""Multi-label cross-entropy (ZLPR) in dense, sparse and factored form, and the softmax cross-entropy of tokens.

With scores `s` and positives `P` of one instance the loss is

    log(1 + sum_{i not in P} e^{s_i}) + log(1 + sum_{i in P} e^{-s_i})

and a label is predicted when its score is above 0; there is no activation on the scores.
Sources: kexue.fm/archives/7359 and 8888; Su et al., arXiv 2208.02955.

All functions compute in float32 whatever the precision policy, and return one loss for each instance;
`common.loss_model.mean_loss` takes the mean.
"""

from typing import NamedTuple

import tensorflow as tf

# Stands for minus infinity. It is finite, so that log-sum-exp over nothing has a finite gradient, and a
# float32 score next to it disappears.
MASKED = -1e12
TINY = 1e-37  # smallest normal float32, rounded up: log stays finite


class Weighted(NamedTuple):
    """Losses whose weighted mean counts."""

    losses: tf.Tensor
    weights: tf.Tensor  # of the same shape


def multilabel_crossentropy(targets, scores):
    """Dense form; targets may be soft.

    targets: [..., n] in [0, 1]. scores: [..., n]; masked entries hold `MASKED` and target 0.
    Returns float32 [...].
    """
    targets, scores = tf.cast(targets, tf.float32), tf.cast(scores, tf.float32)
    positive, negative = targets > 0, targets < 1
    # the inner `where` keeps log's gradient finite in the branch that is not taken
    log_positive = tf.math.log(tf.where(positive, targets, 1.0))
    log_negative = tf.math.log1p(-tf.where(negative, targets, 0.0))
    return _log1p_sum_exp(tf.where(negative, scores + log_negative, MASKED)) + _log1p_sum_exp(
        tf.where(positive, log_positive - scores, MASKED)
    )


def sparse_multilabel_crossentropy(positives, scores):
    """The same for positives given as indices.

    The usual sparse formula subtracts the positives from the log-sum-exp of all scores, which loses confident
    models to cancellation (a positive score of 20 gives 4.99 in place of 2.42). Here the positives are taken
    out before the sum.

    positives: int [batch, p], padded with -1, duplicates count once. scores: [batch, n].
    Returns float32 [batch].
    """
    scores = tf.cast(scores, tf.float32)
    positives = tf.sort(tf.cast(positives, tf.int32), axis=-1)
    # sorted, so that repetitions stand next to each other
    repeated = tf.pad(positives[:, 1:] == positives[:, :-1], [[0, 0], [1, 0]])
    valid = positives >= 0
    index = tf.where(valid, positives, 0)
    positive_scores = tf.gather(scores, index, batch_dims=1)
    rows = tf.broadcast_to(tf.range(tf.shape(scores)[0])[:, None], tf.shape(index))
    cells = tf.boolean_mask(tf.stack([rows, index], -1), valid)
    negative_scores = tf.tensor_scatter_nd_update(scores, cells, tf.fill(tf.shape(cells)[:1], MASKED))
    return _log1p_sum_exp(negative_scores) + _log1p_sum_exp(tf.where(valid & ~repeated, -positive_scores, MASKED))


def factored_multilabel_crossentropy(positives, scores, row_bias, column_bias):
    """Multi-label cross-entropy over all (i, j) per label, for scores that share one matrix:

        s_h(i, j) = scores(i, j) + row_bias_h(i) + column_bias_h(j)

    The sum over all pairs is one matrix product, sum((e^row_bias @ e^scores) * e^column_bias), so the tensor
    [batch, labels, length, length] is never built. Rows that hold a positive of a label are left out of that
    label's product and summed directly: no subtraction, hence no cancellation. A sum that is more than e^-85
    below the product of its factors' largest entries underflows and is taken as that bound.

    positives: int [batch, p, 3] of (label, i, j), padded with -1, duplicates count once.
    scores: [batch, length, length], masked entries hold `MASKED`. row_bias, column_bias: [batch, labels, length].
    Returns float32 [batch, labels].
    """
    scores, row_bias, column_bias = (tf.cast(x, tf.float32) for x in (scores, row_bias, column_bias))
    positives = tf.cast(positives, tf.int32)
    n_labels, length = tf.shape(row_bias)[1], tf.shape(scores)[1]
    valid = positives[..., 0] >= 0
    label, row, column = tf.unstack(tf.maximum(positives, 0), num=3, axis=-1)

    both = valid[:, :, None] & valid[:, None, :]
    same_row = both & _equal(label) & _equal(row)
    same_cell = same_row & _equal(column)
    of_label = valid[..., None] & tf.cast(tf.one_hot(label, n_labels), tf.bool)  # [batch, p, labels]

    direct = (
        tf.gather(scores, row, batch_dims=1)
        + tf.gather(column_bias, label, batch_dims=1)
        + tf.gather_nd(row_bias, tf.stack([label, row], -1), batch_dims=1)[..., None]
    )  # [batch, p, length]: the rows that hold a positive
    positive_score = tf.gather(direct, column, batch_dims=2)
    is_positive = tf.matmul(tf.cast(same_row, tf.float32), tf.one_hot(column, length)) > 0
    direct_negative = tf.reduce_logsumexp(tf.where(is_positive, MASKED, direct), -1)

    holds_positive = (
        tf.matmul(tf.cast(of_label, tf.float32), tf.one_hot(row, length), transpose_a=True) > 0
    )  # [batch, labels, length]
    product = _log_sum_exp_of_product(scores, tf.where(holds_positive, MASKED, row_bias), column_bias)

    negative = tf.where(of_label & _first(same_row)[..., None], direct_negative[..., None], MASKED)
    positive = tf.where(of_label & _first(same_cell)[..., None], -positive_score[..., None], MASKED)
    return _log1p_sum_exp(tf.concat([product[:, None], negative], 1), axis=1) + _log1p_sum_exp(positive, axis=1)


def pair_heads_loss(positives: dict, outputs: dict):
    """Of several pair heads by name, each with its `positives` and factors as above: the sum over the labels, averaged
    over the heads. Returns float32 [batch].
    """
    losses = [
        tf.reduce_sum(factored_multilabel_crossentropy(positives[name], *factors), -1)
        for name, factors in outputs.items()
    ]
    return tf.add_n(losses) / len(losses)


def token_crossentropy(tokens, scores):
    """The cross-entropy of tokens, int32 [...], by the scores of all entries of the vocabulary, [..., entries].

    Returns float32 [...], with weights: 0 where the token is 0, else 1.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tokens, tf.cast(scores, tf.float32))
    return Weighted(losses, tf.cast(tokens != 0, tf.float32))


def _log1p_sum_exp(x, axis=-1):
    """log(1 + sum(exp(x))), safe for any x."""
    shift = tf.stop_gradient(tf.maximum(tf.reduce_max(x, axis, keepdims=True), 0.0))
    total = tf.reduce_sum(tf.exp(x - shift), axis) + tf.exp(-tf.squeeze(shift, axis))
    return tf.math.log(total) + tf.squeeze(shift, axis)


def _log_sum_exp_of_product(scores, row_bias, column_bias):
    """log sum_ij exp(row_bias_h(i) + scores(i, j) + column_bias_h(j)), float32 [batch, labels].

    Every factor is shifted by its maximum; a shift is a constant to the gradient, because it cancels.
    """
    row_max = tf.stop_gradient(tf.reduce_max(scores, -1))  # folded into row_bias
    column_is_masked = tf.reduce_max(scores, 1) <= MASKED / 2
    row_bias = tf.maximum(row_bias + row_max[:, None], MASKED)
    column_bias = tf.where(column_is_masked[:, None], MASKED, column_bias)
    row_shift = tf.stop_gradient(tf.reduce_max(row_bias, -1, keepdims=True))
    column_shift = tf.stop_gradient(tf.reduce_max(column_bias, -1, keepdims=True))
    summed = tf.matmul(tf.exp(row_bias - row_shift), tf.exp(scores - row_max[..., None]))
    total = tf.reduce_sum(summed * tf.exp(column_bias - column_shift), -1)
    return tf.math.log(tf.maximum(total, TINY)) + row_shift[..., 0] + column_shift[..., 0]


def _equal(x):
    """[batch, p] -> bool [batch, p, p], which entries are equal."""
    return x[:, :, None] == x[:, None, :]


def _first(same):
    """bool [batch, p, p] of an equivalence -> bool [batch, p], the first of each class; padding is in none."""
    earlier = tf.linalg.band_part(tf.ones(tf.shape(same)[1:], tf.bool), -1, 0) & ~tf.eye(
        tf.shape(same)[1], dtype=tf.bool
    )
    return tf.linalg.diag_part(same) & ~tf.reduce_any(same & earlier, -1)
