"""`"accumulate": n`: the step of a batch with the memory of an n-th of it."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from common.cli import UserError


def check_devices(strategy: tf.distribute.Strategy) -> None:
    """Raises UserError for several devices: within a loop they cannot exchange anything."""
    if strategy.num_replicas_in_sync > 1:
        raise UserError("accumulate: does not go with several workers or GPUs, which share each batch")


def loss_and_gradients_in_pieces(model: keras.Model, inputs: Any, targets: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Computes the loss of a batch and its gradients piece after piece of its rows, and adds them up.

    A piece counts by its rows, also where the loss is a mean over tokens.
    """
    rows = tf.shape(tf.nest.flatten(inputs)[0])[0]
    variables = model.trainable_variables

    def add_piece(piece, loss, gradients):
        first, end = rows * piece // model.accumulate, rows * (piece + 1) // model.accumulate
        x, y = tf.nest.map_structure(lambda array: array[first:end], (inputs, targets))
        share = tf.cast(end - first, tf.float32) / tf.cast(rows, tf.float32)
        of_piece, more = model.loss_and_gradients(x, y, piece)
        more = [tf.zeros_like(variable) if g is None else g for g, variable in zip(more, variables, strict=True)]
        return piece + 1, loss + share * of_piece, [a + share * b for a, b in zip(gradients, more, strict=True)]

    start = (0, 0.0, [tf.zeros_like(variable) for variable in variables])
    _, loss, gradients = tf.while_loop(
        lambda piece, *_: piece < model.accumulate, add_piece, start, parallel_iterations=1
    )
    return loss, gradients
