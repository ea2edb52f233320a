"""Multi-label cross-entropy (ZLPR) in dense and factored form; its sparse form is in common/sparse_losses.py.

If one instance has scores `s` and positive labels `P`, its loss is

    log(1 + sum_{i not in P} e^{s_i}) + log(1 + sum_{i in P} e^{-s_i})

The scores have no activation, and a label is predicted if its score is above 0.
Sources: kexue.fm/archives/7359 and 8888; Su et al., arXiv 2208.02955.

All functions compute in float32 whatever the precision policy is. They return one loss for each instance, and
`common.loss_model.mean_loss` takes the mean.
"""

from typing import NamedTuple

import tensorflow as tf

# It stands for minus infinity, but is finite, so that log-sum-exp over nothing has a finite gradient. A float32 score
# that is added to it is lost in rounding.
MASKED = -1e12
TINY = 1e-37  # the smallest normal float32, rounded up, so that its log is finite


class Weighted(NamedTuple):
    """Losses with weights. `common.loss_model.mean_loss` takes their weighted mean."""

    losses: tf.Tensor
    weights: tf.Tensor  # of the same shape


def multilabel_crossentropy(targets: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Return the loss, float32 [...], for targets [..., n] in [0, 1], which may be soft, and scores [..., n].

    Masked entries of `scores` hold `MASKED`, and their targets are 0.
    """
    targets, scores = tf.cast(targets, tf.float32), tf.cast(scores, tf.float32)
    positive, negative = targets > 0, targets < 1
    # The inner `where` keeps the gradient of log finite in the branch that is not taken.
    log_positive = tf.math.log(tf.where(positive, targets, 1.0))
    log_negative = tf.math.log1p(-tf.where(negative, targets, 0.0))
    return log1p_sum_exp(tf.where(negative, scores + log_negative, MASKED)) + log1p_sum_exp(
        tf.where(positive, log_positive - scores, MASKED)
    )


def factored_multilabel_crossentropy(
    positives: tf.Tensor, scores: tf.Tensor, row_bias: tf.Tensor, column_bias: tf.Tensor
) -> tf.Tensor:
    """Return the loss over all pairs (i, j) for each label, float32 [batch, labels], from factored scores.

        s_h(i, j) = scores(i, j) + row_bias_h(i) + column_bias_h(j)

    The sum over all pairs is one matrix product, sum((e^row_bias @ e^scores) * e^column_bias), so the tensor
    [batch, labels, length, length] is never built. Rows with a positive of a label are left out of the label's product
    and summed directly. So nothing is subtracted, and nothing cancels. A sum that is less than `TINY` (e^-85) times the
    product of its factors' largest entries underflows and is replaced by this bound.

    Args:
        positives: int [batch, p, 3] of (label, i, j), padded with -1. Duplicates count once.
        scores: [batch, length, length]. Masked entries hold `MASKED`.
        row_bias: [batch, labels, length].
        column_bias: [batch, labels, length].
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
    )  # [batch, p, length]: the rows with a positive
    positive_score = tf.gather(direct, column, batch_dims=2)
    is_positive = tf.matmul(tf.cast(same_row, tf.float32), tf.one_hot(column, length)) > 0
    direct_negative = tf.reduce_logsumexp(tf.where(is_positive, MASKED, direct), -1)

    holds_positive = (
        tf.matmul(tf.cast(of_label, tf.float32), tf.one_hot(row, length), transpose_a=True) > 0
    )  # [batch, labels, length]
    product = _log_sum_exp_of_product(scores, tf.where(holds_positive, MASKED, row_bias), column_bias)

    negative = tf.where(of_label & _first(same_row)[..., None], direct_negative[..., None], MASKED)
    positive = tf.where(of_label & _first(same_cell)[..., None], -positive_score[..., None], MASKED)
    return log1p_sum_exp(tf.concat([product[:, None], negative], 1), axis=1) + log1p_sum_exp(positive, axis=1)


def pair_heads_loss(positives: dict[str, tf.Tensor], outputs: dict[str, tuple[tf.Tensor, ...]]) -> tf.Tensor:
    """Return the loss of several pair heads, float32 [batch]: summed over the labels of each, averaged over the heads.

    The keys of both are the names of the heads, the values what `factored_multilabel_crossentropy` takes.
    """
    losses = [
        tf.reduce_sum(factored_multilabel_crossentropy(positives[name], *factors), -1)
        for name, factors in outputs.items()
    ]
    return tf.add_n(losses) / len(losses)


def log1p_sum_exp(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Return log(1 + sum(exp(x))), safe for any x."""
    shift = tf.stop_gradient(tf.maximum(tf.reduce_max(x, axis, keepdims=True), 0.0))
    total = tf.reduce_sum(tf.exp(x - shift), axis) + tf.exp(-tf.squeeze(shift, axis))
    return tf.math.log(total) + tf.squeeze(shift, axis)


def _log_sum_exp_of_product(scores: tf.Tensor, row_bias: tf.Tensor, column_bias: tf.Tensor) -> tf.Tensor:
    """Return log sum_ij exp(row_bias_h(i) + scores(i, j) + column_bias_h(j)), float32 [batch, labels].

    Every factor is shifted by its maximum. The shifts cancel, so the gradient may treat them as constants.
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


def _equal(x: tf.Tensor) -> tf.Tensor:
    """Return which entries of each row of x [batch, p] are equal, bool [batch, p, p]."""
    return x[:, :, None] == x[:, None, :]


def _first(same: tf.Tensor) -> tf.Tensor:
    """Mark the first of each class of an equivalence bool [batch, p, p]: bool [batch, p]. Padding is in no class."""
    earlier = tf.linalg.band_part(tf.ones(tf.shape(same)[1:], tf.bool), -1, 0) & ~tf.eye(
        tf.shape(same)[1], dtype=tf.bool
    )
    return tf.linalg.diag_part(same) & ~tf.reduce_any(same & earlier, -1)
