"""Tests that recompute changes what is kept in memory, not what comes out."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

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
INPUTS = [TOKEN_IDS, (np.arange(10) > 4).astype(np.int32) * np.ones_like(TOKEN_IDS)]


@pytest.fixture
def policy(request):
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


def outputs_and_gradients(name, recompute, unilm):
    """Return outputs and gradients of a step with much dropout, computed in a graph."""
    model = build_encoder(
        SIZES | {"model": name}, seed=0, dropout_rate=0.3, with_mlm=True, recompute=recompute, unilm=unilm
    )

    @tf.function
    def step():
        with dropout_seed(5, 3), tf.GradientTape() as tape:
            outputs = [tf.cast(output, tf.float32) for output in model(INPUTS, training=True)]
            weights = [tf.random.stateless_normal(tf.shape(output), (1, 2)) for output in outputs]
            loss = tf.add_n([tf.reduce_sum(w * output) for w, output in zip(weights, outputs, strict=True)])
            gradients = tape.gradient(loss, model.trainable_variables)
        return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]

    return step()


@pytest.mark.parametrize(
    ("name", "policy", "recompute", "unilm"),
    [
        *((name, "float32", 1, False) for name in ("bert", "albert", "nezha", "roformer")),
        ("roformer", "float32", 2, False), ("roformer", "mixed_bfloat16", 1, False),
        ("roformer", "mixed_float16", 1, False), ("bert", "float32", 1, True), ("nezha", "float32", 1, True),
    ],
    indirect=["policy"],
)  # fmt: skip
def test_outputs_and_gradients_are_the_same(name, policy, recompute, unilm):
    outputs, gradients = outputs_and_gradients(name, 0, unilm)
    again, replayed = outputs_and_gradients(name, recompute, unilm)
    for a, b in zip(outputs, again, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 if policy == "float32" else 0.05)
    assert len(gradients) == len(replayed)
    largest = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in gradients)
    for a, b in zip(gradients, replayed, strict=True):
        np.testing.assert_allclose(a / largest, b / largest, atol=1e-5 if policy == "float32" else 1e-2)


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
