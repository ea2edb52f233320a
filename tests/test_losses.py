"""Tests of mean losses, and of the three forms of the multi-label loss against their definition in float64."""

import numpy as np
import pytest
import tensorflow as tf

from common.loss_model import mean_loss
from common.losses import MASKED, Weighted, factored_multilabel_crossentropy, multilabel_crossentropy, pair_heads_loss
from common.sparse_losses import sparse_multilabel_crossentropy, token_crossentropy


def reference(labels, scores):
    """Return loss and gradient by the definition, in float64. Labels are in [0, 1]; the last axis is summed."""
    y, s = np.asarray(labels, np.float64), np.asarray(scores, np.longdouble)
    negatives, positives = (1 - y) * np.exp(s), y * np.exp(-s)
    a, b = 1 + negatives.sum(-1, keepdims=True), 1 + positives.sum(-1, keepdims=True)
    return (np.log(a) + np.log(b))[..., 0].astype(np.float64), (negatives / a - positives / b).astype(np.float64)


def value_and_gradients(loss, *variables):
    inputs = [tf.Variable(np.asarray(v, np.float32)) for v in variables]
    with tf.GradientTape() as tape:
        value = loss(*inputs)
    return value.numpy(), [g.numpy() for g in tape.gradient(value, inputs)]


LABELS = {
    "none": np.zeros(7),
    "all": np.ones(7),
    "some": np.array([0, 1, 0, 0, 1, 0, 0]),
    "soft": np.array([0, 0.1, 0.5, 1, 0.9, 0.3, 0]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("scale", [1, 50])
def test_dense_equals_definition(labels, scale):
    scores = np.random.default_rng(0).uniform(-scale, scale, (3, 7)).astype(np.float32)
    scores[1], scores[2] = scale, -scale
    value, (gradient,) = value_and_gradients(lambda s: multilabel_crossentropy(labels, s), scores)
    expected, expected_gradient = reference(labels, scores)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("confident", [20.0, 50.0])
def test_sparse_keeps_confident_scores(confident):
    """The usual sparse formula cancels here: one positive is far above the rest, as in a trained model."""
    scores = np.array([[confident, 1.0, 0.5, -2.0], [-1.0, confident, confident, 0.0], [1.0, 2.0, 3.0, 4.0]])
    positives = np.array([[0, -1, 0], [1, 2, -1], [-1, -1, -1]])
    dense = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    value, (gradient,) = value_and_gradients(lambda s: sparse_multilabel_crossentropy(positives, s), scores)
    expected, expected_gradient = reference(dense, scores)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def factored_case(scale, seed, batch=3, labels=5, length=9, lengths=(9, 6, 0)):
    """Return factors with padding, and positives with duplicates, several in one row, and none for some labels."""
    rng = np.random.default_rng(seed)
    scores, rows, columns = (
        (rng.uniform(-scale, scale, shape) / 3).astype(np.float32)
        for shape in [(batch, length, length), (batch, labels, length), (batch, labels, length)]
    )
    positives = np.full((batch, 12, 3), -1)
    for b, n in enumerate(lengths):
        scores[b, n:], scores[b, :, n:] = MASKED, MASKED
        if n:
            cells = np.stack([rng.integers(0, labels - 1, 8), rng.integers(0, n, 8), rng.integers(0, n, 8)], 1)
            positives[b, :8], positives[b, 9] = cells, cells[0]
            positives[b, 10] = [cells[1, 0], cells[1, 1], (cells[1, 2] + 1) % n]  # a second one in the same row
    return scores, rows, columns, positives


def factored_reference(scores, rows, columns, positives, weights):
    """Return the dense loss, float64 [batch, labels], and the gradients of its weighted sum."""
    scores, rows, columns = (np.asarray(x, np.float64) for x in (scores, rows, columns))
    s = scores[:, None] + rows[..., None] + columns[:, :, None]
    y = np.zeros(s.shape)
    for b, cells in enumerate(positives):
        for label, i, j in cells[cells[:, 0] >= 0]:
            y[b, label, i, j] = 1
    flat = (*s.shape[:2], -1)
    value, gradient = reference(y.reshape(flat), np.maximum(s, -1e4).reshape(flat))
    gradient = gradient.reshape(s.shape) * weights[..., None, None]
    gradient[s <= MASKED / 2] = 0
    return value, [gradient.sum(1), gradient.sum(3), gradient.sum(2)]


@pytest.mark.parametrize("scale", [1, 10, 50])
@pytest.mark.parametrize("seed", range(3))
def test_factored_equals_definition(scale, seed):
    scores, rows, columns, positives = factored_case(scale, seed)
    weights = np.random.default_rng(9).uniform(0.5, 2, rows.shape[:2]).astype(np.float32)
    value = factored_multilabel_crossentropy(positives, scores, rows, columns).numpy()
    expected, expected_gradients = factored_reference(scores, rows, columns, positives, weights)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=2e-6)
    _, gradients = value_and_gradients(
        lambda *factors: factored_multilabel_crossentropy(positives, *factors) * weights,
        scores,
        rows,
        columns,
    )
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=5e-6)


def test_factored_all_positive_and_confident():
    """All cells of one label are positive. The only positive of the other scores 50, where all others score 0."""
    length = 4
    scores, rows, columns = np.zeros((1, length, length)), np.zeros((1, 2, length)), np.zeros((1, 2, length))
    scores[0, 1, 2] = 50
    everywhere = [(0, i, j) for i in range(length) for j in range(length)]
    positives = np.array([[*everywhere, (1, 1, 2)]])
    value, gradients = value_and_gradients(
        lambda *factors: factored_multilabel_crossentropy(positives, *factors), scores, rows, columns
    )
    expected, expected_gradients = factored_reference(scores, rows, columns, positives, np.ones((1, 2)))
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_factored_is_float32_under_half_precision_and_in_a_graph():
    scores, rows, columns, positives = factored_case(1, 0)
    half = [tf.cast(x, tf.bfloat16) for x in (scores, rows, columns)]
    value = tf.function(factored_multilabel_crossentropy)(positives, *half)
    scores, rows, columns = (x.numpy().astype(np.float32) for x in half)
    assert value.dtype == tf.float32
    expected, _ = factored_reference(scores, rows, columns, positives, np.ones(rows.shape[:2]))
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


def test_factored_with_an_empty_list_of_positives():
    scores, rows, columns, _ = factored_case(1, 0)
    positives = np.zeros((3, 0, 3), np.int32)
    value = factored_multilabel_crossentropy(positives, scores, rows, columns)
    expected, _ = factored_reference(scores, rows, columns, positives, np.ones(rows.shape[:2]))
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=2e-6)


def test_pair_heads_loss_is_the_mean_over_heads_of_the_sum_over_labels():
    heads, positives, expected = {}, {}, np.zeros(3)
    for seed, name in enumerate(("starts", "ends")):
        scores, rows, columns, positives[name] = factored_case(1, seed)
        heads[name] = scores, rows, columns
        expected += factored_reference(scores, rows, columns, positives[name], np.ones((3, 5)))[0].sum(1) / 2
    np.testing.assert_allclose(pair_heads_loss(positives, heads), expected, rtol=1e-6)


def test_token_crossentropy_leaves_token_0_out():
    scores = np.random.default_rng(0).normal(size=(2, 3, 5))
    tokens = np.array([[1, 4, 0], [2, 0, 0]])
    log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    expected = -np.mean([log_p[0, 0, 1], log_p[0, 1, 4], log_p[1, 0, 2]])
    np.testing.assert_allclose(mean_loss(token_crossentropy(tokens, scores)), expected, rtol=1e-6)


def test_mean_loss():
    values, weights = tf.constant([[1.0, 2.0], [4.0, 8.0]]), tf.constant([[True, False], [True, True]])
    assert float(mean_loss(tf.constant([1.0, 2.0, 6.0]))) == 3
    np.testing.assert_allclose(mean_loss(Weighted(values, weights)), 13 / 3)
    np.testing.assert_allclose(mean_loss([tf.constant([1.0, 2.0]), Weighted(values, weights)]), 1.5 + 13 / 3)
    assert float(mean_loss(tf.zeros([0]))) == 0  # the loss of a replica without rows
