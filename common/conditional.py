"""Conditional layer normalisation, by which the pointer head knows its subject."""

import tensorflow as tf
import tf_keras as keras


class ConditionalLayerNormalization(keras.layers.Layer):
    """Layer normalisation whose scale and offset depend on a vector (kexue.fm/archives/7124).

    It is called with hidden states [batch, length, size] and the vector [batch, n], and returns [batch, length, size].
    The kernels for the vector start at zero, so training starts from plain layer normalisation.
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        size = input_shape[-1]
        self.scale = keras.layers.Dense(size, kernel_initializer="zeros", bias_initializer="ones", name="scale")
        self.offset = keras.layers.Dense(size, kernel_initializer="zeros", name="offset")
        super().build(input_shape)

    def call(self, hidden: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        x = tf.cast(hidden, tf.float32)
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        normalised = tf.cast((x - mean) * tf.math.rsqrt(variance + 1e-12), hidden.dtype)
        return normalised * self.scale(condition)[:, None] + self.offset(condition)[:, None]
