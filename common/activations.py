"""The three forms of GELU, x * Phi(x) with the distribution function Phi of the standard normal (arXiv 1606.08415).

The constants of the approximations, rounded, are those with which the largest error of Phi is the smallest
(kexue.fm/archives/7309); tests/test_activations.py derives them.
"""

import math

import tensorflow as tf


def gelu_erf(x):
    """GELU itself: x * (1 + erf(x / sqrt(2))) / 2.

    In float16 and bfloat16 with erf in float32: TensorFlow's erfc is not vectorised, and its own gradient takes more
    passes.
    """
    return _half_precision_gelu(x) if x.dtype in (tf.float16, tf.bfloat16) else tf.nn.gelu(x)


@tf.custom_gradient
def _half_precision_gelu(x):
    phi = tf.cast(0.5 + 0.5 * tf.math.erf(tf.cast(x, tf.float32) * math.sqrt(0.5)), x.dtype)

    def gradient(upstream):
        return upstream * (phi + x * (tf.exp(-0.5 * tf.square(x)) * (1 / math.sqrt(2 * math.pi))))

    return x * phi, gradient


def gelu_tanh(x):
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, off by 4.73e-4 at most."""
    return tf.nn.gelu(x, approximate=True)


def gelu_sigmoid(x):
    """x * sigmoid(1.702 x), off by 2.03e-2 at most."""
    return tf.nn.silu(x, 1.702)


# by the names that an encoder's architecture has for them
GELU = {"gelu_erf": gelu_erf, "gelu_tanh": gelu_tanh, "gelu_sigmoid": gelu_sigmoid}
