"""Lets each core of a small machine compute its own rows of a batch.

TensorFlow shares each operation among the cores. In a small encoder an operation takes a tenth of a millisecond, and
sharing it costs a fifth of the step. It is quicker if each operation has one core, and each core has its own rows. This
is only done on machines with at most `MOST` cores, because every core keeps its own gradients of the weights, and
because machines with more cores were not measured. Importing this module does not load TensorFlow.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

MOST = 4

_pieces = 1


def share_batches() -> None:
    """From now on cut the batches of encoders, see `cut`, if the machine has few cores.

    It has to be called before TensorFlow computes anything. If TF_NUM_INTRAOP_THREADS is set, it does nothing.
    """
    import tensorflow as tf

    global _pieces
    cores = count_cores()
    if cores > MOST or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow has computed something already
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(cores)
        _pieces = cores


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def whole_batches() -> Iterator[None]:
    """Do not cut the batches of models that are traced inside the `with` block."""
    global _pieces
    before, _pieces = _pieces, 1
    try:
        yield
    finally:
        _pieces = before


def cut(inputs: "list[tf.Tensor]") -> "list[list[tf.Tensor]]":
    """Cut arrays [batch, ...] into one piece for each core. A piece may have no rows."""
    if _pieces == 1:
        return [inputs]
    import tensorflow as tf

    rows = tf.shape(inputs[0])[0]
    bounds = [(rows * number // _pieces, rows * (number + 1) // _pieces) for number in range(_pieces)]
    return [[x[first:end] for x in inputs] for first, end in bounds]
