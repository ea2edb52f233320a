"""Tests of `TF_CONFIG`, and of training on two devices against training on one.

relation_extraction/tests/test_train.py trains with two processes.
"""

import atexit
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common import devices
from common.batching import Batches, pad
from common.bert import StatelessDropout
from common.cli import UserError
from common.config import OptimizerConfig
from common.crf import Transitions, crf_loss
from common.devices import place_to_work, read_cluster, rows_of_replica
from common.heads import PairHead
from common.loss_model import LossModel
from common.losses import pair_heads_loss
from common.optimizers import make_optimizer
from common.sparse_losses import token_crossentropy
from common.testing.commands import disk_full

TWO = {"worker": ["a:1", "b:2"]}
CHIEF = {"worker": ["a:1"], "chief": ["c.d:33"]}


def task(kind, index):
    return {"type": kind, "index": index}


# --- TF_CONFIG


@pytest.mark.parametrize(
    ("settings", "names", "this", "chief"),
    [
        ({"cluster": TWO, "task": task("worker", 0)}, ["worker 0", "worker 1"], "worker 0", True),
        ({"cluster": TWO, "task": task("worker", 1), "environment": "x"}, ["worker 0", "worker 1"], "worker 1", False),
        ({"cluster": CHIEF, "task": task("worker", "0")}, ["chief 0", "worker 0"], "worker 0", False),
        ({"cluster": CHIEF, "task": task("chief", 0)}, ["chief 0", "worker 0"], "chief 0", True),
    ],
)
def test_cluster(settings, names, this, chief, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(settings))
    cluster = read_cluster()
    assert cluster is not None
    assert (list(cluster.addresses), cluster.this, cluster.is_chief) == (names, this, chief)


@pytest.mark.parametrize("settings", [{}, {"cluster": {}}, {"cluster": {"worker": ["a:1"]}, "task": task("worker", 0)}])
def test_a_worker_alone(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", json.dumps(settings))
    assert read_cluster() is None
    assert place_to_work(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "not JSON"),
        ([], "expected an object with cluster and task"),
        ({"cluster": ["a:1", "b:2"]}, "cluster: expected an object such as"),
        ({"cluster": {"worker": "a:1"}}, "cluster: expected an object such as"),
        ({"cluster": TWO | {"ps": ["c:3"]}, "task": task("ps", 0)}, "cluster: unknown task type ps"),
        ({"cluster": TWO | {"chief": ["c:3", "d:4"]}}, "more than one chief"),
        ({"cluster": {"worker": ["a", "b:2"]}}, "worker 0: expected host:port, not 'a'"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, "two tasks have the same address"),
        ({"cluster": TWO}, "task: expected an object such as"),
        ({"cluster": TWO, "task": {"type": "worker"}}, "task: expected an object such as"),
        ({"cluster": TWO, "task": task("worker", 2)}, "task: the cluster has no worker 2, only worker 0, worker 1"),
        ({"cluster": TWO, "task": task("worker", -1)}, "the cluster has no worker -1"),
        ({"cluster": TWO, "task": task("evaluator", 0)}, "the cluster has no evaluator 0"),
    ],
)
def test_wrong_cluster(settings, message, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", settings if isinstance(settings, str) else json.dumps(settings))
    with pytest.raises(UserError, match="^TF_CONFIG: ") as error:
        place_to_work(tmp_path)
    assert message in str(error.value)


@pytest.mark.parametrize("folder", [".", "run", "run/../run"])
def test_a_worker_beside_the_chief_has_a_copy_of_the_run_folder(folder, monkeypatch, tmp_path, tmp_path_factory):
    (tmp_path / "run" / "logs").mkdir(parents=True)
    temporary = tmp_path_factory.mktemp("temporary")
    for path in ("config.json", "run/config.json", "run/logs/events"):
        (tmp_path / path).write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    removed_at_exit = []
    monkeypatch.setattr(atexit, "register", lambda _, path, **more: removed_at_exit.append(path))
    for index, is_chief in ((0, True), (1, False), (1, False)):  # worker 1 starts twice, as after a kill
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": TWO, "task": task("worker", index)}))
        place = place_to_work(Path(folder))
        assert (place == Path(folder)) == is_chief
        assert (place / "config.json").read_text() == "{}"
        assert is_chief or not (place / "logs").exists()
    assert removed_at_exit == [place, place]
    assert [place] == list(temporary.iterdir())


def test_a_copy_that_does_not_fit(monkeypatch, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}" * 100)
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": TWO, "task": task("worker", 1)}))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with disk_full(10), pytest.raises(UserError, match="cannot be copied here .* set TMPDIR to another place"):
        place_to_work(tmp_path / "run")


def test_a_lost_worker_is_named(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CHIEF, "task": task("worker", 0)}))
    monkeypatch.setattr(devices, "_strategy", "of several")
    lost = tf.errors.UnavailableError(None, None, "from /job:chief/replica:0/task:0: Socket closed")
    with pytest.raises(SystemExit, match="1"), devices.naming_lost_workers():
        raise lost
    assert capsys.readouterr().err == "error: lost chief 0 at c.d:33; run the same command on every worker to resume\n"
    with pytest.raises(ZeroDivisionError), devices.naming_lost_workers():
        raise ZeroDivisionError


def test_workers_that_see_different_checkpoints(monkeypatch):
    monkeypatch.setattr(devices, "_strategy", "of several")
    monkeypatch.setattr(devices, "_values_of_workers", lambda step: [step, 7])
    devices.check_same_step(7)
    with pytest.raises(UserError, match="the workers resume from different steps, this one from 5"):
        devices.check_same_step(5)


# --- rows of a batch


@pytest.mark.parametrize("replicas", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 7, 16])
def test_the_rows_of_all_replicas_are_the_batch_in_order(rows, replicas):
    batch = np.arange(rows * 3).reshape(rows, 3)
    parts = [rows_of_replica(batch, replica, replicas) for replica in range(replicas)]
    np.testing.assert_array_equal(np.concatenate(parts), batch)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


# --- training on two devices


LENGTHS = [9, 4, 6, 7, 5, 8, 6, 5, 9, 4]
ORDER = [[0, 1, 2, 3, 4], [5, 6, 7, 8], [9]]  # the last batch has fewer rows than there are devices


def collate(items, rng):
    """Return inputs and targets for all kinds of heads."""
    token_ids = pad([rng.integers(1, 20, LENGTHS[item]).astype(np.int32) for item in items])
    rows, length = token_ids.shape
    positives = np.where(np.arange(4)[:, None] < rng.integers(0, 4, (rows, 1, 1)), rng.integers(0, 3, (rows, 4, 3)), -1)
    targets = {
        "pairs": {"pair": positives.astype(np.int32)},
        "tokens": rng.integers(0, 4, (rows, length)),
        "tags": rng.integers(0, 3, (rows, length)),
    }
    return {"token_ids": token_ids}, targets


def all_losses(targets, outputs):
    return [
        pair_heads_loss(targets["pairs"], outputs["pairs"]),
        token_crossentropy(targets["tokens"], outputs["tokens"]),  # a mean over tokens; replicas have more or fewer
        crf_loss(targets["tags"], outputs["emissions"], outputs["transitions"], outputs["mask"]),
    ]


def train_all_heads(strategy):
    """Train a model with all kinds of heads for three steps; return its weights and its loss."""
    with strategy.scope():
        keras.utils.set_random_seed(1)
        token_ids = keras.Input([None], dtype="int32", name="token_ids")
        hidden = keras.layers.Embedding(20, 8)(token_ids)
        emissions = keras.layers.Dense(3)(hidden)
        outputs = {
            "pairs": {"pair": PairHead(3, head_size=4)(hidden, mask=token_ids != 0)},
            "tokens": keras.layers.Dense(4)(hidden),
            "emissions": emissions,
            "transitions": Transitions(3)(emissions),
            "mask": token_ids != 0,
        }
        model = LossModel({"token_ids": token_ids}, outputs)
        model.compile(make_optimizer(OptimizerConfig(clip_norm=0.5), 1e-2, 10), all_losses)
    history = model.fit(Batches(list(range(10)), ORDER, collate, seed=(0,)))
    return [variable.numpy() for variable in model.weights], history.history["loss"]


def test_two_devices_give_the_weights_and_the_loss_of_one(two_devices):
    weights, loss = train_all_heads(tf.distribute.get_strategy())
    shared, shared_loss = train_all_heads(two_devices)
    np.testing.assert_allclose(shared_loss, loss, rtol=1e-6)
    for a, b in zip(shared, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_an_epoch_does_not_wait_for_a_thread_that_tunes_the_pipeline():
    dataset = devices.shares(Batches(list(range(10)), ORDER, collate, seed=(0,)), tf.distribute.get_strategy())
    assert dataset.options().autotune.enabled is False


def test_every_device_has_its_own_dropout(two_devices):
    with two_devices.scope():
        inputs = keras.Input([64])
        weighted = keras.layers.Dense(64, kernel_initializer="identity", use_bias=False)(inputs)
        model = LossModel(inputs, StatelessDropout(0.5, "dropout")(weighted))
        model.compile(keras.optimizers.SGD(1.0), lambda _, outputs: tf.reduce_sum(outputs, -1))
    batches = Batches([0, 0], [[0, 1]], lambda items, _: (np.ones((2, 64), np.float32), np.zeros(2)), seed=(0,))
    model.fit(batches)
    change = 1 - np.diag(model.get_weights()[0])  # each device adds 1 for a unit that it has kept
    assert set(change.round(3)) == {0, 1, 2}
