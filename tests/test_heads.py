import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.bert import rotary_angles, rotate
from common.conditional import ConditionalLayerNormalization
from common.heads import PairHead, text_mask
from common.losses import MASKED

HIDDEN = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
MASK = np.array([[True] * 6, [False, True, True, True, False, False]])


def test_text_mask():
    token_ids = tf.constant([[2, 7, 8, 3, 0], [2, 3, 0, 0, 0], [2, 7, 8, 9, 3]])
    assert text_mask(token_ids).numpy().astype(int).tolist() == [
        [0, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0],
    ]  # fmt: skip


def test_factors_mask_padding_and_lower_triangle():
    scores, row_bias, column_bias = PairHead(3, head_size=4)(HIDDEN, mask=MASK)
    assert (scores.shape, row_bias.shape, column_bias.shape) == ((2, 6, 6), (2, 3, 6), (2, 3, 6))
    allowed = MASK[:, :, None] & MASK[:, None, :] & np.triu(np.ones((6, 6), bool))
    np.testing.assert_array_equal(scores.numpy() > MASKED / 2, allowed)
    full, *_ = PairHead(3, head_size=4, upper_triangle=False)(HIDDEN, mask=MASK)
    assert (full.numpy()[0] > MASKED / 2).all()


def test_scores_equal_the_definition():
    head = PairHead(3, head_size=4, upper_triangle=False)
    scores, row_bias, column_bias = (x.numpy()[0] for x in head(HIDDEN, mask=MASK))
    projected = HIDDEN[0] @ head.projection.kernel.numpy() + head.projection.bias.numpy()
    biases = HIDDEN[0] @ head.biases.kernel.numpy() + head.biases.bias.numpy()
    turns = np.exp(1j * np.arange(6)[:, None] * 10000.0 ** (-np.arange(0, 4, 2) / 4))
    query, key = ((half[:, ::2] + 1j * half[:, 1::2]) * turns for half in (projected[:, :4], projected[:, 4:]))
    dense = (query @ key.conj().T).real[None] / 2 + biases.T[:3, :, None] + biases.T[3:, None]
    np.testing.assert_allclose(scores + row_bias[..., None] + column_bias[:, None], dense, rtol=1e-4, atol=1e-5)


def test_rotary_scores_depend_on_the_distance_only():
    q, k = np.random.default_rng(1).normal(size=(2, 1, 8)).astype(np.float32)
    angles = rotary_angles(9, 8)
    turned_q, turned_k = (rotate(tf.tile(x, [9, 1]), tf.sin(angles), tf.cos(angles)).numpy() for x in (q, k))
    scores = turned_q @ turned_k.T
    np.testing.assert_allclose(scores[0, 3], scores[5, 8], rtol=1e-5)
    np.testing.assert_allclose(np.diag(scores), (q @ k.T).item(), rtol=1e-5)
    assert abs(scores[0, 3] - scores[0, 5]) > 1e-3


def test_rotation_is_a_complex_product():
    x = np.random.default_rng(2).normal(size=(2, 5, 6))
    frequency = 10000.0 ** (-np.arange(0, 6, 2) / 6)
    turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * np.arange(5)[:, None] * frequency)
    angles = rotary_angles(5, 6)
    ours = rotate(tf.constant(x, tf.float32), tf.sin(angles), tf.cos(angles)).numpy()
    np.testing.assert_allclose(ours[..., ::2] + 1j * ours[..., 1::2], turned, atol=1e-6)


def test_conditional_layer_normalisation_starts_plain_and_learns_the_condition():
    layer, condition = ConditionalLayerNormalization(), np.ones((2, 5), np.float32)
    plain = keras.layers.LayerNormalization(epsilon=1e-12)(HIDDEN).numpy()
    np.testing.assert_allclose(layer(HIDDEN, condition=condition).numpy(), plain, atol=1e-5)
    layer.scale.kernel.assign(tf.ones((5, 8)))
    np.testing.assert_allclose(layer(HIDDEN, condition=condition).numpy(), plain * 6, atol=1e-4)


def test_heads_stay_float32_under_a_mixed_policy():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        assert all(x.dtype == tf.float32 for x in PairHead(2)(tf.cast(HIDDEN, tf.bfloat16), mask=MASK))
    finally:
        keras.mixed_precision.set_global_policy("float32")
