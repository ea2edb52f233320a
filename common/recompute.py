"""An encoder that gives each core its own rows, and whose backward pass can compute again what was not kept."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from itertools import pairwise
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras.src.mixed_precision.autocast_variable import enable_auto_cast_variables

from common.bert import dropout_of_piece
from common.cores import cut


class Encoder(keras.Model):
    """A functional model of blocks. It cuts a batch into pieces (common/cores.py), and can compute blocks again.

    In training each group of `recompute` blocks keeps only its input, and the backward pass repeats the group's forward
    pass (kexue.fm/archives/7367, arXiv 1604.06174). Layers, weights and results do not depend on `recompute`. What
    draws random numbers in a block has to be a pure function, as `common.bert.stateless_dropout` is. Otherwise the
    second run would differ from the first.

    Args:
        inputs: token ids, segment ids and, if there are any, the positions of the tokens that the last block computes.
        outputs: the output of the last block, or a list of it and of one more tensor that is computed from it.
        boundaries: the input of the first block, and the output of every block. Not needed if `recompute` is 0.
        sides: further inputs of every block (attention mask, positions); masks come first.
        recompute: the number of blocks in a group; 0 keeps everything.
        name: the layer's name in a model.
    """

    def __init__(
        self,
        inputs: list[tf.Tensor],
        outputs: tf.Tensor | list[tf.Tensor],
        boundaries: Sequence[tf.Tensor] = (),
        sides: Sequence[tf.Tensor] = (),
        recompute: int = 0,
        name: str = "encoder",
    ):
        super().__init__(inputs, outputs, name=name)
        self.boundaries = tuple(boundaries)
        self._parts = None
        if recompute:
            kept = [*boundaries[:-1:recompute], boundaries[-1]]
            before = keras.Model(inputs[:2], [kept[0], *sides])
            segments = [keras.Model([start, *sides], end) for start, end in pairwise(kept[:-1])]
            segments.append(keras.Model([kept[-2], *inputs[2:], *sides], kept[-1]))
            after = keras.Model(kept[-1], outputs[1]) if isinstance(outputs, list) else None
            self._parts = lambda: (before, segments, after)  # hidden from Keras, which would save their layers again

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor | list[tf.Tensor]:
        outputs = []
        for number, piece in enumerate(cut(tf.nest.flatten(inputs))):
            with dropout_of_piece(number):
                outputs.append(self._call_whole(piece, training))
        return tf.nest.map_structure(lambda *pieces: tf.concat(pieces, 0), *outputs)

    def _call_whole(self, inputs: list[tf.Tensor], training: bool | None) -> tf.Tensor | list[tf.Tensor]:
        if not training or self._parts is None:
            return super().call(inputs, training=training)
        before, segments, after = self._parts()
        hidden, *sides = tf.nest.flatten(before(inputs[:2], training=True))
        mask = hidden._keras_mask
        masks = [side for side in sides if side.dtype == tf.bool]
        sides = sides[len(masks) :]
        # The layers cast their variables themselves. If they were cast out here as well, `recompute_grad` would return
        # the gradients for the casts, not for the variables.
        with enable_auto_cast_variables(None):
            for segment in segments[:-1]:
                hidden = _recomputed(segment, mask, masks)(hidden, *sides)
            hidden = _recomputed(segments[-1], mask, [*inputs[2:], *masks])(hidden, *sides)
        return hidden if after is None else [hidden, after(hidden, training=True, mask=mask)]


def _recomputed(segment: keras.Model, mask: tf.Tensor, fixed: list[tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Wrap a group of blocks so that the backward pass computes it again: (hidden, *sides) -> hidden.

    `fixed`, the inputs without a gradient, are closed over: `recompute_grad` wants a gradient for every argument.
    """
    context = copy_context()  # has the key of the dropout

    def forward(hidden: tf.Tensor, *sides: tf.Tensor) -> tf.Tensor:
        inputs = [hidden, *fixed, *sides]
        return context.run(segment, inputs, training=True, mask=[mask, *[None] * (len(inputs) - 1)])

    return tf.recompute_grad(forward)
