"""Fixtures of the tests here. `common` is imported first, because it sets the environment that TensorFlow needs."""

import common  # noqa: F401  isort: skip
import pytest
import tensorflow as tf

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


def pytest_configure():
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)


@pytest.fixture(scope="session")
def two_devices():
    """Return a strategy over two devices of the CPU.

    All tests share it, because TensorFlow would mix up its collective operations with those of a second one.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
