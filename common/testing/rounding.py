"""A check that a head's loss is the same if the sizes of a batch are rounded up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common.batching import NO_ROUNDING, Batches, Collate, Rounding
from common.loss_model import Loss, LossModel, mean_loss


def check_rounded_batch(model: LossModel, loss: Loss, features: Sequence[Any], collate: Collate) -> None:
    """Assert that neither the loss nor its gradient changes. `features` are two windows of at most 16 tokens."""
    found = []
    for rounding, shape in ((NO_ROUNDING, None), (Rounding(tokens=16, longest=64, rows=4, positives=8), (4, 16))):
        batch = Batches(features, [range(2)], collate, seed=(0,), rounding=rounding)[0]
        assert shape in (None, batch[0]["token_ids"].shape)
        with tf.GradientTape() as tape:
            value = mean_loss(loss(batch[1], model(batch[0])), *batch[2:])
        gradients = tape.gradient(value, model.trainable_variables, unconnected_gradients="zero")
        found.append([value, *map(tf.convert_to_tensor, gradients)])
    for plain, rounded in zip(*found, strict=True):
        np.testing.assert_allclose(plain, rounded, rtol=1e-4, atol=1e-6)
