"""Loaded before the test files, which import TensorFlow first: `common` sets the environment that needs."""

import common  # noqa: F401
