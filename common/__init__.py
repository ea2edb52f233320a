"""The code that all tasks share. Importing it sets up the environment that bert4keras needs on current TensorFlow."""

import os

# These variables must be set before TensorFlow and bert4keras are first imported.
os.environ["TF_KERAS"] = "1"  # bert4keras uses tf.keras
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # tf.keras is Keras 2
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides most messages of TensorFlow's C++ code
