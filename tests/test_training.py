"""Tests of what a run leaves behind if its process or the disk fails. tests/stress/faults.py runs whole trainings."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.config import EncoderSizes, OptimizerConfig, TrainingConfig
from common.encoder_source import EncoderSource
from common.loss_model import LossModel
from common.optimizers import make_optimizer
from common.run_folder import RunFolder, read_thresholds
from common.testing.commands import disk_full
from common.tokenizer import Tokenizer
from common.training import Training, write_history
from common.weights import load_weights

CONFIG = TrainingConfig(
    train_file="", dev_file="", encoder=EncoderSizes(hidden_size=2, layers=1, heads=1), checkpoint_steps=1
)
HISTORY = [{"epoch": 1, "loss": 0.5, "f1": 0.25, "seconds": 1.0}]


def start(folder: Path, weights: float = 0.0) -> Training:
    """Start or resume a run with a model of one layer, whose weights all have one value."""
    inputs = keras.Input([50])
    model = LossModel(inputs, keras.layers.Dense(50, kernel_initializer=keras.initializers.Constant(weights))(inputs))
    model.compile(make_optimizer(OptimizerConfig(), 1e-3, 10), loss=tf.reduce_mean)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")  # so the run counts as started
    run = Training(RunFolder(folder), CONFIG, EncoderSource("fresh", {}, Tokenizer([])), model)
    run.set_model(model)
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path):
    training = start(tmp_path, weights=1)
    training.save()
    before = files(tmp_path)
    training.model.set_weights([weight + 1 for weight in training.model.get_weights()])
    for size in (0, 100, 10_000):
        with disk_full(size), pytest.raises(UserError, match=r"checkpoint: cannot be written \(File too large\)$"):
            training.save()
    resumed = start(tmp_path)
    np.testing.assert_array_equal(resumed.model.get_weights()[0], 1)
    after = files(tmp_path)
    assert after.items() >= before.items()
    assert all("logs/" in name for name in after.keys() - before.keys())


def test_best_weights_that_do_not_fit_leave_those_before(tmp_path):
    """HDF5 would crash the process on a full disk, sometimes only when it ends. So it must never see one."""
    training = start(tmp_path, weights=1)
    training.keep_best(0.5)
    before = files(tmp_path)
    for size in (0, 5_000):
        with disk_full(size), pytest.raises(UserError, match=r"weights\.h5: cannot be written \(File too large\)$"):
            training.keep_best(0.6 + size)
    assert files(tmp_path) == before
    load_weights(start(tmp_path).model, tmp_path / "model.weights.h5")


def test_history_and_curves_that_do_not_fit_leave_those_before(tmp_path):
    run = RunFolder(tmp_path)
    write_history(run, HISTORY)
    before = files(tmp_path)
    for size, name in ((10, "history.csv"), (1_000, "curves.png")):
        with disk_full(size), pytest.raises(UserError, match=f"{name}: cannot be written"):
            write_history(run, HISTORY)
    assert files(tmp_path) == before


def test_a_checkpoint_is_on_the_disk_before_it_is_believed(tmp_path, monkeypatch):
    """Its files are flushed while the one before is still the latest. A power failure itself cannot be tried here."""
    flushed = {}

    def fsync(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        flushed[path.name] = tf.train.latest_checkpoint(path.parent)

    training = start(tmp_path)
    training.save()
    monkeypatch.setattr(os, "fsync", fsync)
    training.save()
    first = str(tmp_path / "checkpoint" / "ckpt-1")
    assert flushed == {"ckpt-2.index": first, "ckpt-2.data-00000-of-00001": first}


@pytest.mark.parametrize("name", ["checkpoint", "ckpt-1.index", "ckpt-1.data-00000-of-00001"])
@pytest.mark.parametrize("damage", [lambda _: b"", lambda content: content[:-20], lambda content: bytes(len(content))])
def test_a_damaged_checkpoint_is_refused(tmp_path, name, damage):
    training = start(tmp_path)
    training.keep_best(0.5)
    training.save()
    path = tmp_path / "checkpoint" / name
    path.write_bytes(damage(path.read_bytes()))
    before = files(tmp_path)
    with pytest.raises(UserError, match="the state of training is damaged"):
        start(tmp_path)
    assert files(tmp_path) == before


def test_what_a_killed_run_was_writing_is_removed(tmp_path):
    start(tmp_path).save()
    before = {name for name in files(tmp_path) if not name.startswith("logs/")}
    (tmp_path / "checkpoint" / "ckpt-2_temp").mkdir()
    for name in ("checkpoint/ckpt-2_temp/part.tempstate7", "checkpoint/checkpoint.tmp7", ".model.weights.h5.7.tmp"):
        (tmp_path / name).write_bytes(b"half")
    start(tmp_path)
    assert {name for name in files(tmp_path) if not name.startswith("logs/")} == before


def test_damaged_weights_are_refused_or_read(tmp_path):
    training = start(tmp_path)
    training.keep_best(0.5)
    path, rng, refused = tmp_path / "model.weights.h5", random.Random(0), 0
    good = path.read_bytes()
    for content in (b"", b"text", good[:100], good[: len(good) // 2], *(damaged(good, rng) for _ in range(60))):
        path.write_bytes(content)
        try:
            load_weights(training.model, path)
        except UserError as error:
            refused += str(error).startswith(f"{path}: ")
    assert refused > 20


def test_weights_that_are_not_finite_are_refused(tmp_path):
    training = start(tmp_path)
    training.model.loss_tracker.total.assign(np.nan)  # the loss of a diverged step, which is no weight
    training.keep_best(0.5)
    load_weights(training.model, tmp_path / "model.weights.h5")
    training.model.trainable_weights[0].assign(np.full_like(training.model.trainable_weights[0], np.nan))
    training.keep_best(0.6)
    with pytest.raises(UserError, match=r"model\.weights\.h5: \S+ has values that are not finite"):
        load_weights(training.model, tmp_path / "model.weights.h5")


def damaged(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for place in rng.sample(range(len(content)), 30):
        changed[place] = rng.randrange(256)
    return bytes(changed)


NUMBERS = ("NaN", '"0"', "true", "[]", "null")
THRESHOLDS = [f'{{"thresholds": {{"spans": {value}, "links": 0}}}}' for value in NUMBERS]
OTHERS = ['{"thresholds": {"spans": 0}}', '{"thresholds": {}}', '{"thresholds": 0}']


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "{}x", *THRESHOLDS, *OTHERS])
def test_thresholds_that_are_none(tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics\.json[:,] "):
        read_thresholds(RunFolder(tmp_path), {"spans": 0.0, "links": 0.0})


def test_thresholds(tmp_path):
    (tmp_path / "metrics.json").write_text('{"thresholds": {"spans": -0.5, "links": 1}}')
    assert read_thresholds(RunFolder(tmp_path), {"spans": 0.0, "links": 0.0}) == {"spans": -0.5, "links": 1}
    (tmp_path / "metrics.json").write_text('{"thresholds": {}}')
    assert read_thresholds(RunFolder(tmp_path), {}) == {}
