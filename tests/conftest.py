"""Loaded before the test files, which import TensorFlow first: `common` sets the environment that needs."""

import common  # noqa: F401  isort: skip
import pytest
import tensorflow as tf

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import call as call  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


def pytest_configure():
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)


@pytest.fixture(scope="session")
def two_devices():
    """A strategy on two devices of the CPU; one alone, because collectives of a second would be taken for its own."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
