import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.bert import Compat, MultiHeadAttention, StatelessDropout, TruncatedNormal, dropout_seed, models
from common.bert import layers as originals
from common.encoder import build_encoder

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "embedding_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu_erf",
    "max_position": 16,
    "segment_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
MODELS = ["bert", "albert", "nezha", "roformer"]
IDS = np.array([[2, 7, 8, 9, 3], [2, 7, 3, 0, 0]], np.int32)
INPUTS = [IDS, np.zeros_like(IDS)]


@functools.cache
def encoder(model, seed=0):
    return build_encoder({**SIZES, "model": model}, seed, dropout_rate=0.3)


def in_training(layer, inputs, seed=1, step=1):
    with dropout_seed(seed, step):
        return np.asarray(layer(inputs, training=True))


def test_dropout_is_a_function_of_seed_step_and_name():
    ones = tf.ones((100, 100))
    masks = [
        in_training(StatelessDropout(0.25, name), ones, seed, step)
        for name, seed, step in [("a", 1, 1), ("a", 1, 1), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1)]
    ]
    assert (masks[0] == masks[1]).all()
    for other in masks[2:]:  # independent masks agree in 0.25^2 + 0.75^2 = 0.625 of the places
        assert np.mean(other == masks[0]) == pytest.approx(0.625, abs=0.02)
    assert np.mean(masks[0] == 0) == pytest.approx(0.25, abs=0.02)
    assert np.unique(masks[0]).tolist() == pytest.approx([0, 1 / 0.75])
    assert (StatelessDropout(0.25, "a")(ones) == ones).numpy().all()


def test_dropout_outside_of_a_seed_is_an_error():
    with pytest.raises(RuntimeError, match="'a' called in training outside of `with dropout_seed"):
        StatelessDropout(0.25, "a")(tf.ones((2, 2)), training=True)


def test_dropout_follows_the_step_variable_of_a_traced_function():
    dropout, step = StatelessDropout(0.5, "a"), tf.Variable(3, dtype=tf.int64)

    @tf.function
    def traced():
        with dropout_seed(1, step):
            return dropout(tf.ones((8, 8)), training=True)

    for number in (3, 4):
        step.assign(number)
        assert (traced() == in_training(dropout, tf.ones((8, 8)), 1, number)).numpy().all()


@pytest.mark.parametrize("model", MODELS)
def test_encoder_dropout(model):
    output = in_training(encoder(model), INPUTS)
    np.testing.assert_array_equal(in_training(encoder(model), INPUTS), output)
    assert np.abs(in_training(encoder(model), INPUTS, step=2) - output).max() > 0.1
    inference = encoder(model)(INPUTS)
    assert np.abs(inference - output).max() > 0.1
    np.testing.assert_array_equal(encoder(model)(INPUTS, training=False), inference)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_without_rows(model):
    """A worker gets such a batch if there are fewer rows than workers."""
    assert in_training(encoder(model), [ids[:0] for ids in INPUTS]).shape == (0, 5, 16)


@pytest.mark.parametrize("model", MODELS)
def test_each_dropout_of_an_encoder_draws_its_own_mask(model, monkeypatch):
    names: list[str] = []

    def without_dropout(x, rate, name):
        names.append(name)
        return x

    monkeypatch.setattr("common.bert.stateless_dropout", without_dropout)
    encoder(model)(INPUTS, training=True)
    # one for the embeddings, three in each block
    assert len(set(names)) == len(names) == 1 + 3 * SIZES["num_hidden_layers"]


def test_dropout_of_attention_probabilities():
    x = tf.random.stateless_normal((2, 5, 16), (1, 2))
    first, second = (
        MultiHeadAttention(2, 8, attention_dropout=0.5, kernel_initializer=TruncatedNormal(0, 0.3), name=name)
        for name in ("first", "second")
    )
    outputs = [in_training(first, [x] * 3), in_training(second, [x] * 3), first([x] * 3)]
    with dropout_seed(1, 1):
        outputs.append(first([x] * 3, training=True, block=1))
    np.testing.assert_array_equal(first([x] * 3), second([x] * 3))
    for i, output in enumerate(outputs):
        assert all(np.abs(output - other).max() > 0.01 for other in outputs[:i])


@pytest.mark.parametrize("p_bias", [None, "rotary", "typical_relative"])
@pytest.mark.parametrize("bias_shape", [None, (2, 5, 5), (5, 5)])
def test_attention_equals_the_original(p_bias, bias_shape):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, 5, 16)).astype("float32")] * 3
    if bias_shape:
        inputs.append(np.broadcast_to(np.tri(5, dtype=bool), bias_shape))
    if p_bias:
        shape = (1, 5, 8) if p_bias == "rotary" else (5, 5, 8)
        inputs.append(rng.normal(size=shape).astype("float32"))
    inputs = list(map(tf.constant, inputs))
    arguments = {"a_bias": True if bias_shape else None, "p_bias": p_bias, "mask": [tf.constant(IDS > 0)] * 3}
    ours = MultiHeadAttention(2, 8)
    original = originals.MultiHeadAttention(2, 8, kernel_initializer=TruncatedNormal(0, 0.3))
    expected = original(inputs, **arguments)
    ours(inputs, **arguments)
    ours.set_weights(original.get_weights())
    np.testing.assert_allclose(ours(inputs, **arguments), expected, atol=1e-5)


def test_recomputing_a_layer_draws_the_same_mask():
    initializer = TruncatedNormal(0, 0.3)
    layer = MultiHeadAttention(2, 8, attention_dropout=0.5, kernel_initializer=initializer, name="a")
    x = tf.random.stateless_normal((2, 5, 16), (1, 2))
    layer([x] * 3)

    def gradient(call):
        with tf.GradientTape() as tape, dropout_seed(1, 1):
            tape.watch(x)
            loss = tf.reduce_sum(call(x) ** 2)
            return tape.gradient(loss, x)

    plain = gradient(lambda x: layer([x] * 3, training=True))
    recomputed = gradient(tf.recompute_grad(lambda x: layer([x] * 3, training=True)))
    np.testing.assert_allclose(recomputed, plain, rtol=1e-5)


def test_fresh_weights_all_differ_and_follow_from_the_seed():
    weights = encoder("bert").get_weights()
    kernels = [weight for weight in weights if weight.ndim == 2]
    assert len(kernels) == 3 + 1 + 6 * SIZES["num_hidden_layers"]
    assert len({tuple(kernel.ravel()[:4]) for kernel in kernels}) == len(kernels)
    values = np.concatenate([kernel.ravel() for kernel in kernels])
    assert np.abs(values).max() <= 0.04
    assert values.std() == pytest.approx(0.88 * 0.02, rel=0.03)  # truncation at two deviations reduces it by 12%
    again = build_encoder({**SIZES, "model": "bert"}, seed=0, with_mlm=True).get_weights()
    for weight, same in zip(weights, again, strict=False):
        np.testing.assert_array_equal(weight, same)
    other = build_encoder({**SIZES, "model": "bert"}, seed=1).get_weights()
    assert (weights[0] != other[0]).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mlm_scores_under_mixed_precision(policy):
    expected = encoder("bert")(INPUTS)
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build_encoder({**SIZES, "model": "bert"}, 0, with_mlm=True)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    hidden, scores = model(INPUTS)
    assert hidden.dtype == scores.dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(tf.cast(hidden, tf.float32), expected, atol=0.05)
    before, table = model.get_layer("MLM-Norm").output, model.get_layer("Embedding-Token").embeddings
    vectors = tf.cast(keras.Model(model.inputs, before)(INPUTS), tf.float32)
    np.testing.assert_allclose(tf.cast(scores, tf.float32), vectors @ tf.transpose(table), atol=0.01)


def test_inputs_and_layer_norm_epsilon():
    model = build_encoder({**SIZES, "model": "roformer", "layer_norm_eps": 1e-5}, 0)
    assert [x.dtype for x in model.inputs] == [tf.int32, tf.int32]
    norms = [layer for layer in model.layers if isinstance(layer, originals.LayerNormalization)]
    assert [norm.epsilon for norm in norms] == [1e-5] * 5


def test_goes_with_the_attention_masks_of_bert4keras():
    class LanguageModel(models.LM_Mask, Compat, models.BERT):
        """A BERT whose tokens see only themselves and the tokens before them."""

    model = LanguageModel(**SIZES)
    model.build()
    changed = [IDS.copy(), INPUTS[1]]
    changed[0][0, 3] = 20
    difference = np.abs(model.model(INPUTS) - model.model(changed)).max(axis=-1)[0]
    assert difference[:3].max() == 0
    assert difference[3:].min() > 0
