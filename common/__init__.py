"""Machinery that knows no task. Importing it sets the environment for bert4keras on current TensorFlow."""

import os

# Both must stand before TensorFlow's first import: bert4keras uses tf.keras, and tf.keras is then Keras 2.
os.environ["TF_KERAS"] = "1"
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
