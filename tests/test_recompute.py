"""Tests that neither recompute, nor pieces for the cores, nor a choice of tokens changes what comes out."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common import cores
from common.batching import Batches
from common.bert import dropout_seed
from common.encoder import build_encoder
from common.loss_model import LossModel
from common.weights import load_weights, save_weights

SIZES = {
    "vocab_size": 30, "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
    "intermediate_size": 32, "hidden_act": "gelu_erf", "max_position": 16, "segment_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip
TOKEN_IDS = np.random.default_rng(0).integers(1, 30, (3, 10)).astype(np.int32)
TOKEN_IDS[1, 7:] = 0
CHOSEN = np.array([[1, 4, 9], [6, 0, 0], [3, 3, 8]], np.int32)
INPUTS = [TOKEN_IDS, (np.arange(10) > 4).astype(np.int32) * np.ones_like(TOKEN_IDS)]


@pytest.fixture
def policy(request):
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


def outputs_and_gradients(name, recompute=0, dropout=0.3, **options):
    """Return outputs and gradients of a step, by default with much dropout, computed in a graph."""
    model = build_encoder(
        SIZES | {"model": name}, seed=0, dropout_rate=dropout, with_mlm=True, recompute=recompute, **options
    )
    inputs = [*INPUTS, CHOSEN] if options.get("choose") else INPUTS

    @tf.function
    def step():
        with dropout_seed(5, 3), tf.GradientTape() as tape:
            outputs = [tf.cast(output, tf.float32) for output in model(inputs, training=True)]
            weights = [tf.random.stateless_normal(tf.shape(output), (1, 2)) for output in outputs]
            loss = tf.add_n([tf.reduce_sum(w * output) for w, output in zip(weights, outputs, strict=True)])
        gradients = tape.gradient(loss, model.trainable_variables)
        return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]

    return step()


def assert_same(expected, found, single=True):
    """Compare outputs and gradients, in single precision or in half."""
    for a, b in zip(expected[0], found[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 if single else 0.05)
    largest = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in expected[1])
    for a, b in zip(expected[1], found[1], strict=True):
        np.testing.assert_allclose(a / largest, b / largest, atol=1e-5 if single else 1e-2)


@pytest.mark.parametrize(
    ("name", "policy", "recompute", "options"),
    [
        *((name, "float32", 1, {}) for name in ("bert", "albert", "nezha", "roformer")),
        ("roformer", "float32", 2, {}), ("roformer", "mixed_bfloat16", 1, {}), ("roformer", "mixed_float16", 1, {}),
        ("bert", "float32", 1, {"unilm": True}), ("nezha", "float32", 1, {"unilm": True}),
        ("nezha", "float32", 2, {"choose": True}), ("roformer", "float32", 1, {"choose": True}),
    ],
    indirect=["policy"],
)  # fmt: skip
def test_outputs_and_gradients_are_the_same(name, policy, recompute, options):
    expected = outputs_and_gradients(name, **options)
    assert_same(expected, outputs_and_gradients(name, recompute, **options), policy == "float32")


@pytest.mark.parametrize("name", ["bert", "albert", "nezha", "roformer"])
def test_chosen_tokens_are_computed_as_among_all(name):
    model = build_encoder(SIZES | {"model": name}, seed=0, with_mlm=True)
    alone = build_encoder(SIZES | {"model": name}, seed=0, with_mlm=True, choose=True)
    for of_all, of_chosen in zip(model(INPUTS), alone([*INPUTS, CHOSEN]), strict=True):
        np.testing.assert_allclose(tf.gather(of_all, CHOSEN, batch_dims=1), of_chosen, atol=1e-5)


@pytest.mark.parametrize(
    ("pieces", "options"),
    [(5, {}), (2, {"unilm": True}), (2, {"choose": True, "recompute": 1})],  # the batch has three rows
)
def test_pieces_of_a_batch_are_computed_as_the_batch(pieces, options, monkeypatch):
    expected = outputs_and_gradients("roformer", dropout=0.0, **options)
    monkeypatch.setattr(cores, "_pieces", pieces)
    assert_same(expected, outputs_and_gradients("roformer", dropout=0.0, **options))


def test_pieces_of_a_batch_have_their_own_dropout(monkeypatch):
    """The first piece has the dropout of the whole batch. Recomputed blocks have that of their piece."""
    whole = outputs_and_gradients("bert")
    monkeypatch.setattr(cores, "_pieces", 3)
    in_pieces = outputs_and_gradients("bert")
    for a, b in zip(whole[0], in_pieces[0], strict=True):
        assert np.abs(a - b).max((1, 2))[1:].min() > 0.1
    assert_same(in_pieces, outputs_and_gradients("bert", recompute=1))
    monkeypatch.setattr(cores, "_pieces", 1)
    rows = [x[:1] for x in INPUTS]
    with dropout_seed(5, 3):
        model = build_encoder(SIZES | {"model": "bert"}, seed=0, dropout_rate=0.3, with_mlm=True)
        np.testing.assert_allclose(model(rows, training=True)[0], in_pieces[0][0][:1], atol=1e-5)


def test_gradients_are_the_same_on_two_devices(two_devices):
    """Each device has its own dropout. The weights are compared after a step of plain gradient descent."""
    trained = []
    for recompute in (0, 1):
        with two_devices.scope():
            sizes = SIZES | {"model": "bert", "num_hidden_layers": 1}
            encoder = build_encoder(sizes, seed=0, dropout_rate=0.3, recompute=recompute)
            model = LossModel(encoder.inputs, encoder(encoder.inputs))
            model.compile(keras.optimizers.SGD(1.0), lambda _, hidden: tf.reduce_sum(hidden**3, [1, 2]))
        before = model.get_weights()
        model.fit(Batches([0], [[0]], lambda items, rng: (tuple(INPUTS), np.zeros(3)), seed=(0,)))
        trained.append([a - b for a, b in zip(model.get_weights(), before, strict=True)])
    largest = max(np.abs(change).max() for change in trained[0])
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a / largest, b / largest, atol=1e-5)


def test_weights_are_the_same_file(tmp_path):
    """The file is written by a model with recompute and read by one without."""
    models = [build_encoder(SIZES | {"model": "roformer"}, seed, recompute=1 - seed) for seed in (0, 1)]
    save_weights(models[0], tmp_path / "model.weights.h5")
    load_weights(models[1], tmp_path / "model.weights.h5")
    names = [[variable.name for variable in model.weights] for model in models]
    assert names[0] == names[1]
    np.testing.assert_array_equal(models[0](INPUTS), models[1](INPUTS))
