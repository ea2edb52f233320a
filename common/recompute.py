"""An encoder that can keep less for the backward pass, and compute it again."""

from collections.abc import Sequence
from itertools import pairwise

import tensorflow as tf
import tf_keras as keras
from tf_keras.src.mixed_precision.autocast_variable import enable_auto_cast_variables


class Encoder(keras.Model):
    """A functional model of blocks, one after the other, that recomputes them when `recompute` is not 0
    (kexue.fm/archives/7367, arXiv 1604.06174).

    In training every `recompute` blocks then keep their input alone, and their forward pass is run once more in the
    backward pass. Layers, weights and results are those of the model without; what draws random numbers in them has
    to be a pure function, as `common.bert.stateless_dropout` is, for the second run to be as the first.

    outputs: that of the last block, or a list of it and what is made of it. boundaries: the input of the first block
    and the output of each. sides: what all blocks read beside, masks first.
    """

    def __init__(
        self, inputs, outputs, boundaries: Sequence[tf.Tensor] = (), sides: Sequence[tf.Tensor] = (), recompute: int = 0
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

    def call(self, inputs, training=None, mask=None):
        if not training or self._parts is None:
            return super().call(inputs, training=training, mask=mask)
        before, segments, after = self._parts()
        hidden, *sides = tf.nest.flatten(before(inputs, training=True))
        mask = hidden._keras_mask
        masks = [side for side in sides if side.dtype == tf.bool]
        sides = sides[len(masks) :]
        # The layers cast their variables themselves; from out here the gradients would be those of the casts.
        with enable_auto_cast_variables(None):
            for segment in segments:
                hidden = _recomputed(segment, mask, masks)(hidden, *sides)
        return hidden if after is None else [hidden, after(hidden, training=True, mask=mask)]


def _recomputed(segment: keras.Model, mask: tf.Tensor, masks: list[tf.Tensor]):
    """The masks are no arguments, for which there would have to be gradients."""

    def forward(hidden, *sides):
        inputs = [hidden, *masks, *sides]
        return segment(inputs, training=True, mask=[mask, *[None] * (len(inputs) - 1)])

    return tf.recompute_grad(forward)
