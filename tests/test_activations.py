"""Tests that the constants of the approximations of GELU follow from its definition."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize_scalar
from scipy.special import expit, ndtr

from common.activations import GELU

X = np.linspace(0, 8, 400_001)  # the errors are even in x


def tanh_form(c, x=X):
    """Approximate Phi by tanh, using (1 + tanh(z)) / 2 = sigmoid(2 z)."""
    return expit(2 * np.sqrt(2 / np.pi) * (x + c * x**3))


def sigmoid_form(c, x=X):
    return expit(c * x)


@pytest.mark.parametrize(
    ("form", "bounds", "constant", "largest", "place"),
    [
        (tanh_form, (0.04, 0.05), 0.0447149, 4.73e-4, 2.70),
        (sigmoid_form, (1.6, 1.8), 1.7017449, 2.03e-2, 2.27),
    ],
)
def test_minimax(form, bounds, constant, largest, place):
    found = minimize_scalar(
        lambda c: abs(form(c) - ndtr(X)).max(), bounds=bounds, method="bounded", options={"xatol": 1e-12}
    ).x
    assert found == pytest.approx(constant, abs=5e-8)
    errors = abs(X * (form({tanh_form: 0.044715, sigmoid_form: 1.702}[form]) - ndtr(X)))
    assert errors.max() == pytest.approx(largest, rel=2e-3)
    assert X[errors.argmax()] == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("gelu_erf", lambda x: x * ndtr(x)),
        ("gelu_tanh", lambda x: x * tanh_form(0.044715, x)),
        ("gelu_sigmoid", lambda x: x * sigmoid_form(1.702, x)),
    ],
)
def test_forms_and_their_gradients(name, reference):
    x = np.linspace(-8, 8, 4001)
    tensor = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = GELU[name](tensor)
    np.testing.assert_allclose(y, reference(x), atol=1e-6)
    h = 1e-5
    np.testing.assert_allclose(tape.gradient(y, tensor), (reference(x + h) - reference(x - h)) / (2 * h), atol=1e-5)
