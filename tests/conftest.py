"""Loaded before the test files, which import TensorFlow first: `common` sets the environment that needs."""

import common  # noqa: F401  isort: skip
import pytest
import tensorflow as tf


def pytest_configure():
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)


@pytest.fixture(scope="session")
def two_devices():
    """A strategy on two devices of the CPU; one alone, because collectives of a second would be taken for its own."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
