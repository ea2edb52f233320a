import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

import train
from common import training

FOLDER = Path(__file__).resolve().parents[1]


def history(folder):
    """The rows of history.csv without the time that they took."""
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]


def tensors(folder):
    """All there is in the best weights and in the last checkpoint, by name."""
    found = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
    checkpoint = tf.train.load_checkpoint(folder / "checkpoint")
    found |= {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray | np.number)}


def assert_equal_runs(run, expected):
    assert history(run) == history(expected)
    assert (run / "metrics.json").read_bytes() == (expected / "metrics.json").read_bytes()
    assert (run / "curves.png").read_bytes()[:4] == b"\x89PNG"
    ours, theirs = tensors(run), tensors(expected)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=0, atol=1e-6, err_msg=name)


# --- a finished run


def test_a_run_folder_holds_everything(trained):
    assert sorted(path.name for path in trained.iterdir()) == [
        "checkpoint", "config.json", "curves.png", "encoder.json", "history.csv", "logs", "metrics.json",
        "model.weights.h5", "schema.json", "vocab.txt",
    ]  # fmt: skip
    rows = history(trained)
    assert list(rows[0]) == ["epoch", "loss", "precision", "recall", "f1"]
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, len(rows) + 1)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["dev_at_default_threshold"]["f1"] == max(float(row["f1"]) for row in rows)
    assert str(metrics["threshold"]) in metrics["f1_by_threshold"]
    assert any((trained / "logs").iterdir())


def test_the_same_command_again_changes_nothing(trained, call, capsys):
    def state():
        return {path: path.stat().st_mtime_ns for path in trained.rglob("*")}

    before = state()
    call(train.main, "--config", trained.parent / "tiny.json", "--output", trained)
    assert state() == before
    assert f"finished: {trained}" in capsys.readouterr().out


def test_other_settings_are_refused_by_their_keys(trained, call, capsys):
    before = (trained / "config.json").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        call(
            train.main, "--config", trained.parent / "tiny.json", "--output", trained,
            "--set", "seed=7", "optimizer.clip_norm=null",
        )  # fmt: skip
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "seed" in error
    assert "optimizer.clip_norm" in error
    assert "learning_rate" not in error
    assert (trained / "config.json").read_bytes() == before


# --- an interrupted run


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(trained, call, tmp_path, capfd):
    arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]
    process = subprocess.Popen([sys.executable, FOLDER / "train.py", *arguments])
    chosen = random.Random(20).randint(1, 20)  # of 40: one every 5 steps of 15, one after each of the epochs

    def checkpoints():
        latest = tf.train.latest_checkpoint(tmp_path / "run" / "checkpoint")
        return int(latest.rpartition("-")[2]) if latest else 0

    while process.poll() is None and checkpoints() < chosen:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    call(train.main, *arguments)
    assert "resuming in epoch" in capfd.readouterr().out
    assert_equal_runs(tmp_path / "run", trained)


@pytest.mark.parametrize("trained", ["pointer"], indirect=True)
def test_a_run_can_be_cut_where_it_hurts(trained, call, tmp_path, capsys):
    """Before the dev score of an epoch, and before the last line of the history."""
    arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]

    def cut(owner, name, when):
        original = getattr(owner, name)

        def original_or_cut(*arguments):
            if when(*arguments):
                raise KeyboardInterrupt
            return original(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, original_or_cut)
            with pytest.raises(SystemExit, match="130"):
                call(train.main, *arguments)

    cut(training.Run, "keep_best", lambda run, _: run.progress.epoch == 1)
    cut(training, "write_history", lambda _, history: len(history) == 10)
    assert "resuming in epoch 2" in capsys.readouterr().out
    call(train.main, *arguments)
    assert "resuming in epoch 11" in capsys.readouterr().out
    assert_equal_runs(tmp_path / "run", trained)


# --- a copy of the folder


def test_a_copy_of_the_folder_works_elsewhere(make_config, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "my_task", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make_config(tmp_path, train_lines=12, epochs=1)

    def python(script, *arguments):
        return subprocess.run(
            [sys.executable, tmp_path / "my_task" / script, *map(str, arguments)],
            cwd=elsewhere, capture_output=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip

    run, dev = "runs/my_task/tiny", tmp_path / "dev.json"
    assert python("train.py", "--config", tmp_path / "tiny.json").endswith(f"finished: {run}\n")
    python("predict.py", "--model", run, "--input", dev, "--output", "predictions.zip")
    scores = json.loads(python("evaluate.py", "--gold", dev, "--predictions", "predictions.zip"))
    assert scores.keys() == {"precision", "recall", "f1"}
    assert python("check_submission.py", "--input", dev, "--predictions", "predictions.zip").startswith("OK")
