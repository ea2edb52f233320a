"""The code that all tasks share. Importing it sets up the environment that bert4keras needs on current TensorFlow."""

import os

# Both have to be set before TensorFlow is first imported: the first makes bert4keras use tf.keras, the second makes
# tf.keras Keras 2.
os.environ["TF_KERAS"] = "1"
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
