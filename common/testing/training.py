"""Tests of the training of every task. Needs pytest."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.testing.commands import sibling
from common.testing.runs import assert_equal_runs, history, kill_training, read_report, write_tiny_config


def config_of_lines(demo: Path, schema: str) -> Callable:
    """Make the fixture `make_config` of a task on JSON lines, from the folder of its demo set and a schema in there."""

    @pytest.fixture(scope="session")
    def make_config() -> Callable[..., Path]:
        """Write the config of a small training, one layer of 32 units, and lines of the demo set to train on."""

        def make(folder: Path, train_lines: int = 60, **settings: Any) -> Path:
            lines = (demo / "train.json").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / "train.json").write_text("".join(lines[:train_lines]), encoding="utf-8")
            (folder / "dev.json").write_text("".join(lines[:20]), encoding="utf-8")
            fixed = dict(schema_file=f"data:demo/{demo.name}/{schema}", max_length=320)
            return write_tiny_config(folder, **(fixed | settings))

        return make

    return make_config


def trained_by_head(*heads: str) -> Callable:
    """Make the fixture `trained` of a task, which trains each of its heads. It needs the fixture `make_config`."""

    @pytest.fixture(scope="session", params=heads)
    def trained(request, tmp_path_factory, make_config, call) -> Path:
        """Train, and return the run folder. The config, tiny.json, and its data are next to it."""
        folder = tmp_path_factory.mktemp(request.param)
        config = make_config(folder, head=request.param)
        call(sibling("train").main, "--config", config, "--output", folder / "run")
        return folder / "run"

    return trained


class TrainingTests:
    """Tests of a task's training. A subclass says where the task is and what its metric gives.

    They need the fixtures `make_config` and `trained`: a finished run of each head, with 10 epochs of 15 steps, a
    checkpoint every 5 steps, and its config tiny.json and dev.json next to it.
    """

    task: Path
    scores: list[str]  # names of the dev scores of an epoch
    best_by = "f1"  # the one that chooses the best epoch
    has_schema = True

    def test_a_run_folder_holds_everything(self, trained):
        assert sorted(path.name for path in trained.iterdir()) == [
            "checkpoint", "config.json", "curves.png", "encoder.json", "history.csv", "inputs.json", "logs",
            "metrics.json", "model.weights.h5", "report", *["schema.json"] * self.has_schema, "vocab.txt",
        ]  # fmt: skip
        rows = history(trained)
        assert list(rows[0]) == ["epoch", "loss", *self.scores]
        assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, len(rows) + 1)]
        assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2
        metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
        dev = metrics.get("dev_while_training", metrics["dev"])
        assert dev[self.best_by] == max(float(row[self.best_by]) for row in rows)
        assert float(rows[metrics["epoch"] - 1][self.best_by]) == dev[self.best_by]
        for name, threshold in metrics.get("thresholds", {}).items():
            assert str(threshold) in metrics["f1_by_threshold"][name]
        assert any((trained / "logs").iterdir())
        report = read_report(trained / "report")
        assert report["scores"].items() >= metrics["dev"].items()
        thresholds = [f"{name} {value:g}" for name, value in metrics.get("thresholds", {}).items()]
        assert all(part in report["made_with"] for part in [metrics["engine"], *thresholds])
        assert [row["epoch"] for row in report["history"]] == [int(row["epoch"]) for row in rows]

    def test_the_same_command_again_changes_nothing(self, trained, call, capsys):
        def state():
            return {path: path.stat().st_mtime_ns for path in trained.rglob("*")}

        before = state()
        call(self.train, "--config", trained.parent / "tiny.json", "--output", trained)
        assert state() == before
        assert f"finished: {trained}" in capsys.readouterr().out

    def test_other_settings_are_refused_by_their_keys(self, trained, call, capsys):
        before = (trained / "config.json").read_bytes()
        with pytest.raises(SystemExit, match="2"):
            call(
                self.train, "--config", trained.parent / "tiny.json", "--output", trained,
                "--set", "seed=7", "optimizer.clip_norm=null",
            )  # fmt: skip
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "seed" in error
        assert "optimizer.clip_norm" in error
        assert "learning_rate" not in error
        assert (trained / "config.json").read_bytes() == before

    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_files_that_have_changed_since_the_start_are_refused(self, trained, call, tmp_path, capsys):
        config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
        files = {key: config[key] for key in ("train_file", "dev_file", "schema_file") if key in config}
        for key, path in (files | {"encoder.vocabulary": config["encoder"]["vocabulary"]}).items():
            text = Path(path).read_text(encoding="utf-8")
            if key == "encoder.vocabulary":
                text += "新词词\n"
            else:  # white space, which changes nothing but the file
                text = text.replace("\n", " \n", 1) if "\n" in text else f"{text}\n"
            changed = tmp_path / Path(path).name
            changed.write_text(text, encoding="utf-8")
            arguments = ["--config", trained.parent / "tiny.json", "--output", trained, "--set", f"{key}={changed}"]
            with pytest.raises(SystemExit, match="2"):
                call(self.train, *arguments)
            name = key if key in files else "the vocabulary and the encoder"
            assert capsys.readouterr().err.startswith(f"error: {trained}: {name} changed since this run was started")

    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_the_config_of_a_run_is_a_config(self, trained, call, tmp_path, capsys):
        """Training with it leads to the same run, as long as its format is known."""
        moved = shutil.copytree(trained.parent, tmp_path / "moved")
        call(self.train, "--config", moved / "run" / "config.json", "--output", moved / "run")
        assert f"finished: {moved / 'run'}" in capsys.readouterr().out
        config = (moved / "run" / "config.json").read_text(encoding="utf-8")
        for found in ("", '"format": 1,'):
            (moved / "run" / "config.json").write_text(config.replace('"format": 2,', found), encoding="utf-8")
            with pytest.raises(SystemExit, match="2"):
                call(self.train, "--config", moved / "tiny.json", "--output", moved / "run")
            assert f"{moved / 'run'}: a run folder of format 1, expected 2" in capsys.readouterr().err
        with pytest.raises(SystemExit, match="2"):
            call(self.train, "--config", moved / "run" / "config.json", "--output", tmp_path / "new")
        assert "config.json: belongs to a run folder of format 1, expected 2" in capsys.readouterr().err

    @pytest.mark.slow
    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_a_killed_run_goes_on_as_if_nothing_had_happened(self, trained, call, tmp_path, capfd):
        arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]
        # A run writes 30 checkpoints: two within each epoch of 15 steps, and one after it.
        kill_training(self.task / "train.py", arguments, tmp_path / "run", checkpoints=20)
        call(self.train, *arguments)
        assert "resuming after" in capfd.readouterr().out
        assert_equal_runs(tmp_path / "run", trained)

    def test_a_run_can_be_cut_where_it_hurts(self, trained, call, tmp_path, capsys):
        """The run is stopped before an epoch's dev score is kept, and before the last row of the history is written."""
        from common import training

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
                    call(self.train, *arguments)

        cut(training.Training, "keep_best", lambda run, _: run.progress.epoch == 1)
        # The run resumes with its folder, data and config in another place.
        clone = shutil.copytree(trained.parent, tmp_path / "clone", ignore=shutil.ignore_patterns("run"))
        shutil.move(tmp_path / "run", clone / "run")
        arguments = ["--config", clone / "tiny.json", "--output", clone / "run"]
        cut(training, "write_history", lambda _, history: len(history) == 10)
        assert "resuming after 1 epochs and" in capsys.readouterr().out
        call(self.train, *arguments)
        assert "resuming after 10 epochs and 0 steps" in capsys.readouterr().out
        assert_equal_runs(clone / "run", trained)

    @pytest.mark.slow
    def test_a_copy_of_the_folder_works_elsewhere(self, make_config, tmp_path):
        shutil.copytree(self.task, tmp_path / "my_task", ignore=shutil.ignore_patterns("tests", "__pycache__"))
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
        assert list(scores)[: len(self.scores)] == self.scores
        assert python("check_submission.py", "--input", dev, "--predictions", "predictions.zip").startswith("OK")

    def train(self) -> None:
        """Call the task's `train.main`."""
        sibling("train").main()
