"""The three forms of GELU, x * Phi(x), where Phi is the standard normal distribution function (arXiv 1606.08415).

Two of the forms approximate Phi, with the (rounded) constants that make the largest error of Phi as small as possible
(kexue.fm/archives/7309). tests/test_activations.py derives these constants.
"""

import math
from collections.abc import Callable

import tensorflow as tf


def gelu_erf(x: tf.Tensor) -> tf.Tensor:
    """Compute GELU itself: x * (1 + erf(x / sqrt(2))) / 2.

    In float16 and bfloat16 erf is computed in float32. `tf.nn.gelu` would use erfc, which is not vectorised, and the
    gradient of `tf.nn.gelu` would take more passes over the values.
    """
    return _half_precision_gelu(x) if x.dtype in (tf.float16, tf.bfloat16) else tf.nn.gelu(x)


@tf.custom_gradient
def _half_precision_gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    # The slope is computed at once, since it needs phi as well. It is all that is kept for the gradient.
    x32 = tf.cast(x, tf.float32)
    phi = 0.5 + 0.5 * tf.math.erf(x32 * math.sqrt(0.5))
    slope = phi + x32 * (tf.exp(-0.5 * tf.square(x32)) * (1 / math.sqrt(2 * math.pi)))
    kept = tf.cast(slope, x.dtype)
    return tf.cast(x32 * phi, x.dtype), lambda upstream: upstream * kept


def gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    """Approximate GELU by x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2; the error is at most 4.73e-4."""
    return tf.nn.gelu(x, approximate=True)


def gelu_sigmoid(x: tf.Tensor) -> tf.Tensor:
    """Approximate GELU by x * sigmoid(1.702 x); the error is at most 2.03e-2."""
    return tf.nn.silu(x, 1.702)


# The keys are the values of `hidden_act` in an encoder's architecture.
GELU = {"gelu_erf": gelu_erf, "gelu_tanh": gelu_tanh, "gelu_sigmoid": gelu_sigmoid}
