"""Tests which machines cut their batches, and what is cut."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from common import cores
from common.cores import MOST, count_cores, cut, share_batches, whole_batches

SCRIPT = """
import tensorflow as tf
from common.cores import cut
from common.devices import devices
with devices():
    print(len(cut([tf.zeros([5, 2])])), tf.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.mark.parametrize("threads", [None, "1"])
def test_each_core_of_a_small_machine_has_a_piece(threads):
    """Unless the user has said how many threads an operation has."""
    env = {name: value for name, value in os.environ.items() if name != "TF_NUM_INTRAOP_THREADS"}
    env |= {} if threads is None else {"TF_NUM_INTRAOP_THREADS": threads}
    printed = subprocess.run([sys.executable, "-c", SCRIPT], env=env, check=True, capture_output=True, text=True).stdout
    few = count_cores() <= MOST
    assert printed.split() == ([str(count_cores()), "1"] if few and threads is None else ["1", "0"])


def test_machines_with_many_cores_do_not_cut(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr(cores, "_pieces", 1)
    monkeypatch.setattr(cores, "count_cores", lambda: MOST + 1)
    share_batches()
    assert len(cut([tf.zeros([5, 2])])) == 1


@pytest.mark.parametrize(("rows", "pieces"), [(5, 2), (1, 2), (4, 4), (0, 3)])
def test_every_row_is_in_one_piece(rows, pieces, monkeypatch):
    monkeypatch.setattr(cores, "_pieces", pieces)
    inputs = [tf.range(rows), tf.reshape(tf.range(2 * rows), [rows, 2])]
    parts = cut(inputs)
    assert len(parts) == pieces
    assert max(len(part[0]) for part in parts) - min(len(part[0]) for part in parts) <= 1
    for number, whole in enumerate(inputs):
        assert tf.reduce_all(tf.concat([part[number] for part in parts], 0) == whole)
    with whole_batches():
        assert len(cut(inputs)) == 1
