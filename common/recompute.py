"""An encoder that keeps less in training: its backward pass computes the rest again."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras.src.mixed_precision.autocast_variable import enable_auto_cast_variables


class Encoder(keras.Model):
    """A functional model of blocks that can be computed again in the backward pass.

    In training each group of `recompute` blocks keeps only its input, and the backward pass repeats the group's forward
    pass (kexue.fm/archives/7367, arXiv 1604.06174). Layers, weights and results do not depend on `recompute`. What
    draws random numbers in a block has to be a pure function, as `common.bert.stateless_dropout` is. Otherwise the
    second run would differ from the first.

    Args:
        inputs: the inputs of the model, as Keras takes them.
        outputs: the output of the last block, or a list of it and of one more tensor that is computed from it.
        boundaries: the input of the first block, and the output of every block. Not needed if `recompute` is 0.
        sides: further inputs of every block (attention mask, positions); masks come first.
        recompute: the number of blocks in a group; 0 keeps everything.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: tf.Tensor | list[tf.Tensor],
        boundaries: Sequence[tf.Tensor] = (),
        sides: Sequence[tf.Tensor] = (),
        recompute: int = 0,
    ):
        super().__init__(inputs, outputs, name="encoder")
        self.boundaries = tuple(boundaries)
        self._parts = None
        if recompute:
            kept = [*boundaries[:-1:recompute], boundaries[-1]]
            before = keras.Model(inputs, [kept[0], *sides])
            segments = [keras.Model([start, *sides], end) for start, end in pairwise(kept)]
            after = keras.Model(kept[-1], outputs[1]) if isinstance(outputs, list) else None
            self._parts = lambda: (before, segments, after)  # hidden from Keras, which would save their layers again

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> tf.Tensor | list[tf.Tensor]:
        if not training or self._parts is None:
            return super().call(inputs, training=training, mask=mask)
        before, segments, after = self._parts()
        hidden, *sides = tf.nest.flatten(before(inputs, training=True))
        mask = hidden._keras_mask
        masks = [side for side in sides if side.dtype == tf.bool]
        sides = sides[len(masks) :]
        # The layers cast their variables themselves. If they were cast out here as well, `recompute_grad` would return
        # the gradients for the casts, not for the variables.
        with enable_auto_cast_variables(None):
            for segment in segments:
                hidden = _recomputed(segment, mask, masks)(hidden, *sides)
        return hidden if after is None else [hidden, after(hidden, training=True, mask=mask)]


def _recomputed(segment: keras.Model, mask: tf.Tensor, masks: list[tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Wrap a group of blocks so that the backward pass computes it again: (hidden, *sides) -> hidden.

    The masks are closed over, because `recompute_grad` wants a gradient for every argument.
    """

    def forward(hidden: tf.Tensor, *sides: tf.Tensor) -> tf.Tensor:
        inputs = [hidden, *masks, *sides]
        return segment(inputs, training=True, mask=[mask, *[None] * (len(inputs) - 1)])

    return tf.recompute_grad(forward)
