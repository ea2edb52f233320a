"""Tests of the training step of `LossModel`."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.config import OptimizerConfig
from common.encoder import build_encoder
from common.heads import PairHead, hidden_states
from common.loss_model import LossModel
from common.losses import pair_heads_loss
from common.optimizers import make_optimizer

SIZES = {
    "model": "roformer", "vocab_size": 30, "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 32, "hidden_act": "gelu_erf", "max_position": 16,
    "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip


def batch(rows):
    rng = np.random.default_rng(0)
    token_ids = rng.integers(1, 30, (rows, 9)).astype(np.int32)
    token_ids[::2, 6:] = 0
    positives = rng.integers(1, 5, (rows, 4, 3)).astype(np.int32)
    positives[..., 0] %= 3
    return {"token_ids": token_ids}, {"pairs": positives}


@cache  # tracing a step takes seconds
def trained(rows, times=1, policy="float32", dropout=0.0, recompute=0, **settings):
    """Take four steps on a batch whose rows are repeated; return the losses and the weights after the last."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        token_ids, hidden, mask = hidden_states(build_encoder(SIZES, 0, dropout, recompute=recompute))
        outputs = {"pairs": PairHead(3, upper_triangle=False, name="pairs")(hidden, mask=mask)}
        keras.utils.set_random_seed(0)
        model = LossModel({"token_ids": token_ids}, outputs)
        model.set_weights([np.random.default_rng(i).normal(0, 0.1, w.shape) for i, w in enumerate(model.weights)])
        model.compile(make_optimizer(OptimizerConfig(warmup=0), 1e-3, 100), pair_heads_loss, **settings)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    inputs, targets = tf.nest.map_structure(lambda array: np.tile(array, (times, *[1] * (array.ndim - 1))), batch(rows))
    losses = [model.train_on_batch(inputs, targets) for _ in range(4)]
    return losses, model.get_weights()


@pytest.mark.parametrize(
    ("rows", "parts", "settings"),
    [(8, 4, {}), (7, 3, {}), (2, 5, {}), (8, 2, {"recompute": 1}), (7, 3, {"policy": "mixed_float16"})],
)
def test_a_batch_in_parts_is_the_same_step(rows, parts, settings):
    losses, weights = trained(rows, **settings)
    again, same = trained(rows, accumulate=parts, **settings)
    tolerance = 1e-2 if "policy" in settings else 1e-5
    np.testing.assert_allclose(again, losses, rtol=tolerance)
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_allclose(a, b, atol=100 * tolerance * 1e-3)  # the weights have made four steps of 1e-3


def test_each_part_has_its_own_dropout():
    """The batch is one row, four times. With the same masks in all parts its loss would be that of the row alone."""
    (alone, *_), _ = trained(1, dropout=0.5)
    (in_parts, *_), _ = trained(1, dropout=0.5, times=4, accumulate=4)
    assert abs(in_parts - alone) > 1e-4 * alone


def test_blocks_are_recomputed_with_the_dropout_of_their_part():
    losses, weights = trained(6, dropout=0.3, accumulate=2)
    again, same = trained(6, dropout=0.3, accumulate=2, recompute=1)
    np.testing.assert_allclose(again, losses, rtol=1e-5)
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_xla_computes_the_same():
    losses, weights = trained(4, dropout=0.3)
    again, same = trained(4, dropout=0.3, jit_compile=True)
    np.testing.assert_allclose(again, losses, rtol=1e-5)
    for a, b in zip(weights, same, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_pieces_do_not_go_with_several_devices(two_devices):
    with two_devices.scope():
        inputs = keras.Input([2])
        model = LossModel(inputs, keras.layers.Dense(1)(inputs))
        with pytest.raises(UserError, match="accumulate: cannot be combined with several workers or GPUs"):
            model.compile(keras.optimizers.SGD(1.0), lambda _, outputs: outputs, accumulate=2)
