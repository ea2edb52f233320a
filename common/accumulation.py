"""Gradient accumulation (`"accumulate": n`) trains on large batches with less memory.

It splits a batch into n pieces and adds up their gradients, weighted by their numbers of rows. Without dropout the step
is the same as with the whole batch, or nearly the same if the loss is a mean over tokens.
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from common.cli import UserError

if TYPE_CHECKING:
    from common.loss_model import LossModel


def check_devices(strategy: tf.distribute.Strategy) -> None:
    """Raise UserError if several devices share each batch. They cannot exchange values inside the loop."""
    if strategy.num_replicas_in_sync > 1:
        raise UserError("accumulate: cannot be combined with several workers or GPUs, which share each batch")


def loss_and_gradients_in_pieces(model: "LossModel", inputs: Any, targets: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Compute the loss of a batch and its gradients, one piece after another.

    Each piece is weighted by its number of rows, even if the loss is a mean over tokens.

    Args:
        model: the model in training. Its `accumulate` is the number of pieces.
        inputs: arrays or tensors [batch, ...], nested as the model nests them.
        targets: arrays or tensors [batch, ...], nested as the loss expects them.

    Returns:
        The loss, a float32 scalar, and the gradient of each trainable variable.
    """
    rows = tf.shape(tf.nest.flatten(inputs)[0])[0]
    variables = model.trainable_variables

    def add_piece(
        piece: tf.Tensor, loss: tf.Tensor, gradients: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        first, end = rows * piece // model.accumulate, rows * (piece + 1) // model.accumulate
        x, y = tf.nest.map_structure(lambda array: array[first:end], (inputs, targets))
        share = tf.cast(end - first, tf.float32) / tf.cast(rows, tf.float32)
        piece_loss, more = model.loss_and_gradients(x, y, piece)
        more = [tf.zeros_like(variable) if g is None else g for g, variable in zip(more, variables, strict=True)]
        return piece + 1, loss + share * piece_loss, [a + share * b for a, b in zip(gradients, more, strict=True)]

    start = (0, 0.0, [tf.zeros_like(variable) for variable in variables])
    _, loss, gradients = tf.while_loop(
        lambda piece, *_: piece < model.accumulate, add_piece, start, parallel_iterations=1
    )
    return loss, gradients
