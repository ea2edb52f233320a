"""What the tests of the tasks share: calling commands, comparing runs, and wrong input. Needs pytest.

A test file's conftest.py imports the fixtures by name.
"""

import contextlib
import csv
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from common.cli import run_command
from common.files import read_submission_lines
from common.tokenizer import Tokenizer
from common.wrong_input import NO_FILES, NO_OUTPUTS, NOT_JSON, NOT_LINES, READERS, SCHEMA_READERS, Reader, not_zips

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = {"hidden_size": 16, "layers": 1, "heads": 2, "vocabulary": "vocab.txt"}
CONFIG = {"train_file": "train.json", "dev_file": "dev.json", "encoder": SIZES}
CONFIG_OF_LINES = CONFIG | {"schema_file": "schema.json"}  # of the tasks whose files are JSON lines with a schema
BERT = {
    "model_type": "bert", "vocab_size": 6, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip
# the same as `build_encoder` takes it
ARCHITECTURE = {
    "model": "bert", "vocab_size": 6, "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 32, "hidden_act": "gelu_erf", "max_position": 512,
    "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip
VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n何\n"


# of a training small enough for a test: one layer, 15 steps an epoch on 60 examples
TINY = {
    "train_file": "train.json",
    "dev_file": "dev.json",
    "encoder": {"hidden_size": 32, "layers": 1, "heads": 2},
    "epochs": 10,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "precision": "float32",
    "checkpoint_steps": 5,
}


# --- commands


@pytest.fixture(scope="session")
def shared():
    """The folder with the research data and the published vocabulary, next to the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def tokenizer():
    return Tokenizer.from_vocab(REPOSITORY / "data" / "vocab.txt")


@pytest.fixture(scope="session")
def call():
    """Calls a command line in this process: call(main, "--key", value, ...). It ends as on the shell."""

    def call(main, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, arguments)])
            run_command(main)

    return call


def write_tiny_config(folder: Path, **settings: Any) -> Path:
    """tiny.json, `TINY` and other settings."""
    (folder / "tiny.json").write_text(json.dumps(TINY | settings), encoding="utf-8")
    return folder / "tiny.json"


def config_of_lines(demo: Path, schema: str) -> Callable:
    """The fixture `make_config` of a task on JSON lines. demo: the folder of its demo set, schema: a file in it."""

    @pytest.fixture(scope="session")
    def make_config():
        """Writes the config of a small training, one layer of 32 units, and lines of the demo set to train on."""

        def make(folder, train_lines=60, **settings):
            lines = (demo / "train.json").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / "train.json").write_text("".join(lines[:train_lines]), encoding="utf-8")
            (folder / "dev.json").write_text("".join(lines[:20]), encoding="utf-8")
            fixed = dict(schema_file=f"data:demo/{demo.name}/{schema}", max_length=320)
            return write_tiny_config(folder, **(fixed | settings))

        return make

    return make_config


def trained_by_head(*heads: str) -> Callable:
    """The fixture `trained` of a task, one after the other with each of its heads. Needs the fixture `make_config`."""

    @pytest.fixture(scope="session", params=heads)
    def trained(request, tmp_path_factory, make_config, call):
        """The folder of a finished run; the config, tiny.json, and its data are next to it."""
        from train import main

        folder = tmp_path_factory.mktemp(request.param)
        config = make_config(folder, head=request.param)
        call(main, "--config", config, "--output", folder / "run")
        return folder / "run"

    return trained


def write(folder: Path, files: dict[str, str | bytes | None]) -> None:
    """Writes files by name; None removes one."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def check_zipped(tmp_path, call, capsys):
    """Calls check_submission.py with a zip of one file; returns standard output and error, and the exit code."""

    def check_zipped(content: str, *arguments: Any, member: str = "result.json") -> tuple[str, str, int]:
        import check_submission

        with zipfile.ZipFile(tmp_path / "result.zip", "w") as archive:
            archive.writestr(member, content)
        code = 0
        try:
            call(check_submission.main, "--predictions", tmp_path / "result.zip", *arguments)
        except SystemExit as exit:
            code = exit.code
        output = capsys.readouterr()
        return output.out, output.err.replace(f"{tmp_path}/", ""), code

    return check_zipped


@contextlib.contextmanager
def disk_full(size: int = 0) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- runs


def history(folder: Path) -> list[dict[str, str]]:
    """The rows of history.csv without the time that they took."""
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]


def assert_equal_runs(run: Path, expected: Path) -> None:
    """History and metrics equal, best weights and the state of training to 1e-6."""
    assert history(run) == history(expected)
    assert (run / "metrics.json").read_bytes() == (expected / "metrics.json").read_bytes()
    assert (run / "curves.png").read_bytes()[:4] == b"\x89PNG"
    ours, theirs = _tensors(run), _tensors(expected)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=0, atol=1e-6, err_msg=name)


def _tensors(folder: Path) -> dict[str, np.ndarray]:
    """All there is in the best weights and in the last checkpoint, by name."""
    import tensorflow as tf

    found = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
    checkpoint = tf.train.load_checkpoint(folder / "checkpoint")
    found |= {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray | np.number)}


def differences(run: Path, expected: Path) -> dict[str, float]:
    """The largest one in each tensor of the best weights and of the last checkpoint of two runs of the same steps;
    relative where a value is above 1, as the sum of the losses."""
    ours, theirs = _tensors(run), _tensors(expected)
    assert ours.keys() == theirs.keys()
    pairs = {name: (ours[name].astype(np.float64), theirs[name]) for name in ours}
    return {
        name: float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0)) for name, (a, b) in pairs.items()
    }


def start_workers(script: Path, arguments: list, folder: Path, workers: int = 2) -> list[subprocess.Popen]:
    """A training by several processes of this machine; the i-th runs in `folder`/i, what it says is in output.txt."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    cluster = {"worker": [f"localhost:{server.getsockname()[1]}" for server in sockets]}
    processes = []
    for i, server in enumerate(sockets):
        server.close()
        settings = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}})
        place = folder / str(i)
        place.mkdir(exist_ok=True)
        command, environment = [sys.executable, script, *map(str, arguments)], os.environ | {"TF_CONFIG": settings}
        with (place / "output.txt").open("w", encoding="utf-8") as output:
            processes.append(
                subprocess.Popen(command, env=environment, cwd=place, stdout=output, stderr=subprocess.STDOUT)
            )
    return processes


def kill_training(script: Path, arguments: list, run: Path, checkpoints: int) -> None:
    """Starts a training and kills it after one of its first `checkpoints` checkpoints, drawn at random."""
    import tensorflow as tf

    process = subprocess.Popen([sys.executable, script, *map(str, arguments)])
    chosen = random.Random(20).randint(1, checkpoints)

    def written():
        latest = tf.train.latest_checkpoint(run / "checkpoint")
        return int(latest.rpartition("-")[2]) if latest else 0

    while process.poll() is None and written() < chosen:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL


class TrainingTests:
    """What holds for the training of every task, whose subclass says where it is and what its metric gives.

    Needs the fixtures `trained` (a finished run of each head, 10 epochs of 15 steps, a checkpoint every 5 steps, its
    config tiny.json and dev.json next to it) and `make_config`.
    """

    task: Path
    scores: list[str]  # of the dev file after each epoch, the one that chooses the best epoch among them
    best_by = "f1"
    has_schema = True

    def test_a_run_folder_holds_everything(self, trained):
        assert sorted(path.name for path in trained.iterdir()) == [
            "checkpoint", "config.json", "curves.png", "encoder.json", "history.csv", "logs", "metrics.json",
            "model.weights.h5", "report", *["schema.json"] * self.has_schema, "vocab.txt",
        ]  # fmt: skip
        rows = history(trained)
        assert list(rows[0]) == ["epoch", "loss", *self.scores]
        assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, len(rows) + 1)]
        assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2
        metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
        dev = metrics.get("dev_at_default_threshold", metrics["dev"])
        assert dev[self.best_by] == max(float(row[self.best_by]) for row in rows)
        if by_threshold := metrics.get("f1_by_threshold"):
            assert by_threshold[str(metrics["threshold"])] == max(by_threshold.values())
        else:  # the head has none
            assert metrics.get("threshold") is None
        assert any((trained / "logs").iterdir())
        report = read_report(trained / "report")
        assert report["scores"].items() >= metrics["dev"].items()
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
        """The run folder is changed here, which differs from the files as well as they would from it."""
        changes = {"vocab.txt": ("\n", "\n新词\n", "vocabulary"), "encoder.json": (": 1,", ": 3,", "encoder")}
        if (trained / "schema.json").exists():
            changes["schema.json"] = ("\n", " \n", "schema")
        for name, (old, new, what) in changes.items():
            run = shutil.copytree(trained, tmp_path / what)
            text = (run / name).read_text(encoding="utf-8")
            (run / name).write_text(text.replace(old, new, 1), encoding="utf-8")
            with pytest.raises(SystemExit, match="2"):
                call(self.train, "--config", trained.parent / "tiny.json", "--output", run)
            assert f"{run}: the {what} changed since this run was started" in capsys.readouterr().err

    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_a_killed_run_goes_on_as_if_nothing_had_happened(self, trained, call, tmp_path, capfd):
        arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]
        # of 40 checkpoints: one every 5 steps of 15, one after each of the epochs
        kill_training(self.task / "train.py", arguments, tmp_path / "run", checkpoints=20)
        call(self.train, *arguments)
        assert "resuming in epoch" in capfd.readouterr().out
        assert_equal_runs(tmp_path / "run", trained)

    def test_a_run_can_be_cut_where_it_hurts(self, trained, call, tmp_path, capsys):
        """Before the dev score of an epoch, and before the last line of the history."""
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
        cut(training, "write_history", lambda _, history: len(history) == 10)
        assert "resuming in epoch 2" in capsys.readouterr().out
        call(self.train, *arguments)
        assert "resuming in epoch 11" in capsys.readouterr().out
        assert_equal_runs(tmp_path / "run", trained)

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

    def train(self):
        """The task's `train.main`; siblings of a task are on the path when its tests run."""
        import train

        train.main()


@pytest.fixture(scope="module")
def submission(trained, inputs, call, tmp_path_factory):
    """A zip of TensorFlow's predictions for `inputs`."""
    import predict

    path = tmp_path_factory.mktemp("output") / "result.zip"
    call(
        predict.main, "--model", trained, "--input", inputs, "--output", path, "--engine", "tensorflow",
    )  # fmt: skip
    return path


class PredictionTests:
    """What holds for the predictions of the tasks whose files are JSON lines. Needs the fixtures `trained`, `inputs`
    (official lines without labels) and `submission`."""

    records: int  # in `inputs`

    def test_the_leaderboard_would_take_it(self, trained, inputs, submission, call, capsys):
        import check_submission

        call(
            check_submission.main, "--input", inputs, "--predictions", submission, "--schema", trained / "schema.json"
        )
        output = capsys.readouterr()
        assert output.out.startswith(f"OK: {self.records} records")
        assert output.err == ""

    def test_a_pipe_and_the_other_engine_give_the_same(self, trained, inputs, submission, call, capsys, monkeypatch):
        """Standard input and output, small batches and OpenVINO, in float32: bfloat16 moves scores over thresholds."""
        import predict

        monkeypatch.setattr("common.inference.cpu_has_bfloat16", lambda: False)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(inputs.read_bytes())))
        call(
            predict.main, "--model", trained, "--input", "-", "--output", "-",
            "--engine", "openvino", "--batch-size", 7,
        )  # fmt: skip
        output = capsys.readouterr().out
        predictions, expected = [json.loads(line) for line in output.split("\n")[:-1]], read_records(submission)
        assert len(predictions) == len(expected)
        same = np.mean([ours == theirs for ours, theirs in zip(predictions, expected, strict=True)])
        assert same >= 0.995

    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_workers_write_the_same(self, trained, call, tmp_path, monkeypatch):
        import predict

        monkeypatch.setattr(predict, "CHUNK", 8)
        arguments = ["--model", trained, "--input", trained.parent / "dev.json", "--engine", "tensorflow"]
        call(predict.main, *arguments, "--output", tmp_path / "one.json")
        call(predict.main, *arguments, "--output", tmp_path / "two.json", "--workers", 2)
        assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()

    def test_a_text_of_the_command_line(self, trained, call, capfd):
        import predict

        dev = read_records(trained.parent / "dev.json")
        for text in (max((record["text"] for record in dev), key=len), "\udcff", ""):
            call(predict.main, "--model", trained, "--text", text, "--engine", "tensorflow")
            lines = capfd.readouterr().out.splitlines()
            assert lines
            assert text or re.fullmatch(r"no \w+ found", *lines)

    def test_scores_what_training_said(self, trained, call, tmp_path):
        import predict
        from scoring import score

        dev = trained.parent / "dev.json"
        call(
            predict.main, "--model", trained, "--input", dev, "--output", tmp_path / "dev.json",
            "--engine", "tensorflow",
        )  # fmt: skip
        metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
        assert score(read_records(dev), read_records(tmp_path / "dev.json")) == metrics["dev"]


def read_records(path: Path) -> list[Any]:
    """The records of JSON lines, plain or zipped."""
    return [record for _, record in read_submission_lines(path)]


class ReportParser(HTMLParser):
    """What a browser sees of a page: its elements with their attributes, and the text of its scripts by id."""

    def __init__(self):
        super().__init__()
        self.elements, self.scripts = [], {}

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            name = self.elements[-1][1].get("id", "")
            self.scripts[name] = self.scripts.get(name, "") + data

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", {}))


def parse_report(page: str) -> tuple[dict[str, Any], ReportParser]:
    """The data in a page, and the page."""
    parser = ReportParser()
    parser.feed(page)
    parser.close()
    return json.loads(parser.scripts["data"]), parser


def read_report(folder: Path) -> dict[str, Any]:
    return parse_report((folder / "report.html").read_text(encoding="utf-8"))[0]


# --- wrong input


def write_input(folder: Path, train: str, dev: str, schema: str | None = None) -> Path:
    """Makes a folder with everything that a training needs; returns it. All is good if the contents are."""
    folder.mkdir()
    config = CONFIG if schema is None else CONFIG_OF_LINES
    files = {"config.json": json.dumps(config), "train.json": train, "dev.json": dev, "vocab.txt": VOCABULARY}
    write(folder, files | ({} if schema is None else {"schema.json": schema}))
    return folder


@pytest.fixture
def refused(tmp_path, call, capsys):
    """Calls a command, sees that it refuses in one line (or at most so many `lines`, of findings) and leaves all files
    and folders below tmp_path as they are; returns the last line, paths below tmp_path/input without their folder."""

    def state():
        return {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}

    def refused(main, *arguments, lines=1):
        before = state()
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            call(main, *arguments)
        assert exit.value.code == 2
        error = re.sub(r"(\r.*)+\n", "", capsys.readouterr().err)  # progress bars aside
        assert state() == before
        *findings, error = error.splitlines()
        assert len(findings) < lines
        assert error.startswith("error: ")
        return error.replace(f"{tmp_path / 'input'}/", "").removeprefix("error: ").rstrip()

    return refused


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Importing TensorFlow, or what imports it, fails."""
    for name in ("tensorflow", "tf_keras", "model", "common.training"):
        monkeypatch.setitem(sys.modules, name, None)


def run_files(config: dict[str, Any], schema: str | None) -> dict[str, str | None]:
    """A run folder whose data is gone, with weights that nobody has read yet."""
    saved = config | {"encoder": SIZES | {"vocabulary": "/gone/vocab.txt"}, "train_file": "/gone/train.json"}
    return {
        "run/config.json": json.dumps(saved),
        "run/encoder.json": json.dumps(ARCHITECTURE),
        "run/vocab.txt": VOCABULARY,
        "run/schema.json": schema,
        "run/model.weights.h5": "",
        "run/metrics.json": '{"threshold": 0}',
    }


def checkpoint_files(config: dict[str, Any], files: dict[str, Any], scratch: Path) -> dict[str, bytes | str]:
    """An encoder folder "bert", good but for `files`: bytes, a config, or the shapes of tensors by name."""
    contents = {"config.json": BERT, "model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)}}
    written: dict[str, bytes | str] = {
        "config.json": json.dumps(config | {"encoder": "./bert"}),
        "bert/vocab.txt": VOCABULARY,
    }
    for name, content in (contents | files).items():
        if isinstance(content, dict) and name == "config.json":
            written[f"bert/{name}"] = json.dumps(content)
        elif isinstance(content, dict):
            save_file({key: np.zeros(shape, np.float32) for key, shape in content.items()}, scratch)
            written[f"bert/{name}"] = scratch.read_bytes()
        elif content is not None:
            written[f"bert/{name}"] = content
    return written


def bad_settings(config: dict[str, Any]) -> dict[str, tuple[dict[str, Any], str]]:
    """Settings that no task takes, by name: changed files and what the message has. config: good settings."""

    def settings(**changes: Any) -> str:
        return json.dumps(config | changes)

    return bad_encoders(settings) | {
        "config missing": ({"config.json": None}, "config.json: no such config"),
        "config not JSON": ({"config.json": "{"}, "config.json, line 1: not JSON"),
        "config not an object": ({"config.json": "[]"}, "config.json: expected an object"),
        "config not UTF-8": ({"config.json": b'{"a": "\xff"}'}, "config.json, line 1: not UTF-8"),
        "unknown key": ({"config.json": settings(epoch=3)}, "config.json: unknown key epoch (did you mean epochs?)"),
        "unknown inner key": (
            {"config.json": settings(optimizer={"clip": "hard", "rate": 1})}, "config.json: unknown key optimizer.rate"
        ),
        "wrong type": ({"config.json": settings(epochs="ten")}, "config.json: epochs: should be"),
        "out of range": ({"config.json": settings(dropout=1.5)}, "config.json: dropout: should be"),
        "negative seed": ({"config.json": settings(seed=-1)}, "config.json: seed: should be"),
        "unknown choice": ({"config.json": settings(precision="int8")}, "config.json: precision: should be"),
        "key twice": ({"config.json": f'{settings()[:-1]}, "epochs": 1, "epochs": 2}}'}, "('epochs' twice in one obje"),
        "empty key": ({"config.json": settings(**{"": 1})}, "config.json: unknown key"),
        "no batch": ({"config.json": settings(batch_size=0)}, "config.json: batch_size: should be greater than 0"),
        "negative batch": ({"config.json": settings(batch_size=-8)}, "config.json: batch_size: should be greater"),
        "true for a number": ({"config.json": settings(batch_size=True)}, "batch_size: should be a valid integer, not"),
        "digits as a string": ({"config.json": settings(batch_size="8")}, "config.json: batch_size: should be a valid"),
        "null for a number": ({"config.json": settings(epochs=None)}, "config.json: epochs: should be a valid integer"),
        "too many epochs": ({"config.json": settings(epochs=10**30)}, "config.json: epochs: should be less than 21474"),
        "too long a number": ({"config.json": f'{{"epochs": {"1" * 5000}}}'}, "config.json: not readable as JSON"),
        "infinite": ({"config.json": settings(dropout=float("inf"))}, "config.json: dropout: should be a finite"),
        "NaN": ({"config.json": settings(dropout=float("nan"))}, "config.json: dropout: should be a finite number"),
        "brackets deep": ({"config.json": f'{{"epochs": {"[" * 300}{"]" * 300}}}'}, "config.json: recursion limit exc"),
        "brackets deeper": ({"config.json": "[" * 100_000}, "config.json: not readable as JSON"),
        "half a pair": ({"config.json": settings(gelu="\ud800")}, r"config.json: '\ud800' is half a character"),
        "settings a list": ({"config.json": settings(optimizer=[])}, "config.json: optimizer: should be an object"),
        "rate of 0": ({"config.json": settings(optimizer={"rates": {"a": 0}})}, "config.json: optimizer.rates.a: shou"),
        "xla in parts": ({"config.json": settings(xla=True, accumulate=2)}, "config.json: xla and accumulate do not g"),
        "remark a number": ({"config.json": settings(about=1)}, "config.json: about: should be a string"),
        "parent a list": ({"config.json": settings(parent=[])}, "config.json: parent: should be a string"),
        "parent a folder": ({"config.json": settings(parent=".")}, "config.json: parent: no such file"),
        "parent of a long name": ({"config.json": settings(parent="x" * 300)}, "config.json: parent: no such file: xx"),
        "parent itself": ({"config.json": settings(parent="config.json")}, "config.json: parent: circular"),
        "data of a long name": (
            {"config.json": settings(train_file="x" * 300)}, "config.json: train_file: no such file"
        ),
        "data of nobody": ({"config.json": settings(train_file="~nobody/x")}, "config.json: train_file: no such file"),
        "data a number": ({"config.json": settings(train_file=1)}, "config.json: train_file: should be a valid string"),
        "key missing": ({"config.json": '{"train_file": "train.json"}'}, "config.json: missing key"),
        "parent missing": (
            {"config.json": settings(parent="none.json")}, "config.json: parent: no such file: none.json"
        ),
        "parent circular": (
            {"config.json": settings(parent="other.json"), "other.json": '{"parent": "config.json"}'},
            "other.json: parent: circular",
        ),
        "unknown key in the parent": (
            {"config.json": settings(parent="other.json"), "other.json": '{"epoch": 1}'},
            "other.json: unknown key epoch",
        ),
        "data missing": ({"train.json": None}, "config.json: train_file: no such file: train.json"),
    }  # fmt: skip


def bad_encoders(settings: Callable[..., str]) -> dict[str, tuple[dict[str, Any], str]]:
    """As `bad_settings`. settings(): a good config with changes."""
    return {
        "no units": (
            {"config.json": settings(encoder=SIZES | {"hidden_size": 0})}, "config.json: encoder.hidden_size: should be"
        ),
        "encoder a list": ({"config.json": settings(encoder=[])}, "config.json: encoder: should be a folder, a name o"),
        "encoder of a long name": ({"config.json": settings(encoder="x" * 300)}, "xxx: no such folder, and no name"),
        "encoder without a name": ({"config.json": settings(encoder="")}, "input: no weights; expected"),
        "vocabulary UTF-16": ({"vocab.txt": VOCABULARY.encode("utf-16")}, "vocab.txt: the vocabulary is not UTF-8"),
        "vocabulary empty": ({"vocab.txt": ""}, "vocab.txt: the vocabulary is empty"),
        "vocabulary twice": ({"vocab.txt": VOCABULARY * 2}, "vocab.txt, line 7: '[PAD]' is already on line 1"),
        "vocabulary with a blank line": ({"vocab.txt": f"{VOCABULARY}\n\n"}, "vocab.txt, line 7: blank"),
        "vocabulary without [CLS]": ({"vocab.txt": "[PAD]\n[UNK]\n[SEP]\n"}, "vocab.txt: the vocabulary lacks [CLS]"),
        "heads do not divide": (
            {"config.json": settings(encoder=SIZES | {"heads": 3})}, "config.json: encoder: hidden_size 16"
        ),
        "checkpoint missing": ({"config.json": settings(encoder="./bert")}, "bert: no such folder"),
        "checkpoint without weights": (
            {"config.json": settings(encoder="./bert"), "bert/config.json": "{}", "bert/vocab.txt": ""},
            "bert: no weights",
        ),
    }  # fmt: skip


def bad_lines(line: Callable[..., str]) -> dict[str, tuple[dict[str, Any], str]]:
    """What no task on JSON lines takes, as `bad_settings`. line(): an official line with labels."""
    return bad_settings(CONFIG_OF_LINES) | {
        "stride beyond the window": (
            {"config.json": json.dumps(CONFIG_OF_LINES | {"max_length": 32, "stride": 31})},
            "config.json: stride 31 is more than max_length - 2",
        ),
        "window of no token": (
            {"config.json": json.dumps(CONFIG_OF_LINES | {"max_length": 2, "stride": 1})},
            "config.json: max_length: should be",
        ),
        "data empty": ({"train.json": ""}, "train.json: empty file"),
        "data not UTF-8": ({"train.json": line().encode() + b"\xff\n"}, "train.json, line 2: not UTF-8"),
        "data not JSON": ({"dev.json": line() + line()[:-3]}, "dev.json, line 2: not JSON"),
        "blank line": ({"dev.json": line() + "\n" + line()}, "dev.json, line 2: blank line"),
        "line not an object": ({"train.json": "[]\n"}, "train.json, line 1: expected a JSON object"),
        "text not a string": ({"train.json": line(text=7)}, 'train.json, line 1: "text" is missing or not a string'),
        "schema missing": ({"schema.json": None}, "config.json: schema_file: no such file: schema.json"),
        "schema empty": ({"schema.json": ""}, "schema.json: empty file"),
        "schema of strings": ({"schema.json": '"父亲"\n'}, "schema.json, line 1: expected"),
    }  # fmt: skip


BAD_OVERRIDES = {
    "epochs": "--set epochs: expected key=value",
    "epochs=ten": "--set: epochs: should be",
    "optimizer.epochs=1": "--set: unknown key optimizer.epochs",
    "train_file=none.json": "--set: train_file: no such file: ",
    "": "--set : expected key=value",
    "=1": "--set =1: expected key=value",
    "optimizer..clip=hard": "--set optimizer..clip=hard: expected key=value",
    "epochs=": '--set: epochs: should be a valid integer, not ""',
    'epochs="1"': '--set: epochs: should be a valid integer, not "1"',
    "epochs=true": "--set: epochs: should be a valid integer, not true",
    "epochs=NaN": "--set: epochs: should be",
    "epochs.x=1": "--set: epochs: should be a valid integer",
    f"epochs={'[' * 2000}": "--set: epochs: should be a valid integer",
    f"{'a.' * 2000}a=1": "--set: maximum recursion depth exceeded",
    "gelu=\udcff": r"--set: '\udcff' is half a character",
    "encoder=[]": "--set: encoder: should be a folder, a name or an object of sizes, not []",
}
BAD_CHECKPOINTS = {
    "entries": ({"config.json": BERT | {"vocab_size": 7}}, "bert/vocab.txt: 6 entries, but the encoder has embeddings"),
    "positions": ({"config.json": BERT | {"max_position_embeddings": 255}}, "max_length: 256 tokens, but"),
    "heads": ({"config.json": BERT | {"num_attention_heads": 3}}, "bert/config.json: hidden_size 16 is not a multiple"),
    "activation": ({"config.json": BERT | {"hidden_act": "mish"}}, "bert/config.json: hidden_act 'mish' is not one of"),
    "no description": ({"config.json": b"[]"}, "bert/config.json: expected an object"),
    "description cut": ({"config.json": b"{"}, "bert/config.json, line 1: not JSON"),
    "two descriptions": ({"config.json": None, "bert_config.json": b"{}", "albert_config.json": b"{}"}, "bert: expect"),
    "another kind": ({"config.json": BERT | {"model_type": "gpt2"}}, "bert/config.json: model_type 'gpt2' is not one"),
    "kind a list": ({"config.json": BERT | {"model_type": ["bert"]}}, "bert/config.json: model_type ['bert'] is not o"),
    "activation a list": ({"config.json": BERT | {"hidden_act": []}}, "bert/config.json: hidden_act [] is not one of"),
    "epsilon a string": ({"config.json": BERT | {"layer_norm_eps": "small"}}, "layer_norm_eps should be a number from"),
    "epsilon NaN": ({"config.json": BERT | {"layer_norm_eps": float("nan")}}, "layer_norm_eps should be a number from"),
    "no layers": ({"config.json": BERT | {"num_hidden_layers": 0}}, "num_hidden_layers should be a positive integer"),
    "size a string": ({"config.json": BERT | {"hidden_size": "16"}}, "hidden_size should be a positive integer, not '"),
    "size true": ({"config.json": BERT | {"num_hidden_layers": True}}, "num_hidden_layers should be a positive intege"),
    "empty": ({"model.safetensors": b""}, "bert/model.safetensors: truncated"),
    "header too long": ({"model.safetensors": b"\xff" * 8}, "bert/model.safetensors: truncated"),
    "header no JSON": ({"model.safetensors": b"\x02\0\0\0\0\0\0\0[["}, "bert/model.safetensors: truncated"),
    "HDF5 of text": ({"model.safetensors": None, "tf_model.h5": b"text"}, "bert/tf_model.h5: truncated, or no .h5 fil"),
    "a part missing": (
        {"model.safetensors": None, "model-00001-of-00002.safetensors": b""}, "bert: found 1 of 2 parts of the weights"
    ),
    "truncated": ({"model.safetensors": b"\x08\0\0\0\0\0\0\0{}"}, "bert/model.safetensors: truncated"),
    "pickle": ({"model.safetensors": None, "pytorch_model.bin": b"\x80"}, "bert: pytorch_model.bin is a pickle file"),
    "sizes": ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 8)}}, "has shape [6, 8]"),
    "tensors missing": ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)}}, "the file lacks"),
}
# by name: changed files, changed options, and what the message has
BAD_PREDICTIONS = {
    "run missing": ({}, {"--model": "none"}, "none: no such run folder"),
    "run a file": ({}, {"--model": "train.json"}, "train.json: no such run folder"),
    "not a run": ({}, {"--model": "."}, "not a finished run: "),
    "no weights": ({"run/model.weights.h5": None}, {}, "run: not a finished run: model.weights.h5 is missing"),
    "not finished": ({"run/metrics.json": None}, {}, "run: not a finished run: metrics.json is missing"),
    "config broken": ({"run/config.json": "{"}, {}, "run/config.json, line 1: not JSON"),
    "config of another kind": ({"run/config.json": '{"steps": 1}'}, {}, "run/config.json: unknown key steps"),
    "encoder broken": ({"run/encoder.json": '{"model"'}, {}, "run/encoder.json, line 1: not JSON"),
    "encoder a list": ({"run/encoder.json": "[]"}, {}, "run/encoder.json: not the description of an encoder"),
    "encoder without layers": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"num_hidden_layers": None})}, {}, "run/encoder.json: not the"
    ),
    "encoder of another vocabulary": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"vocab_size": 7})}, {}, "vocab_size is 7, the vocabulary has 6"
    ),
    "vocabulary cut": ({"run/vocab.txt": VOCABULARY[:-2]}, {}, "run/encoder.json: vocab_size is 6, the vocabulary has"),
    "vocabulary empty": ({"run/vocab.txt": ""}, {}, "run/vocab.txt: the vocabulary is empty"),
    "run of a long name": ({}, {"--model": "x" * 300}, "xxx: no such run folder"),
    "output the input": ({}, {"--output": "train.json"}, "train.json: is an input, too; expected another name to writ"),
    "output a link to the input": ({}, {"--output": "link.json"}, "link.json: is an input, too"),
    "negative batch": ({}, {"--batch-size": "-1"}, "--batch-size -1: expected at least 1"),
    **{f"input: {name}": ({}, {"--input": file}, message) for name, (file, message) in NO_FILES.items()},
    **{f"output: {name}": ({}, {"--output": file}, message) for name, (file, message) in NO_OUTPUTS.items()},
    "no batch": ({}, {"--batch-size": "0"}, "--batch-size"),
    "no worker": ({}, {"--workers": "0"}, "--workers 0: expected at least 1"),
    "workers and standard output": ({}, {"--workers": "2", "--output": "-"}, "--workers and --ray: need a file"),
}


BAD_LINES_TO_PREDICT = {
    "no schema": ({"run/schema.json": None}, {}, "run/schema.json: no such file"),
    "input without text": ({"train.json": '{"id": "1"}\n'}, {}, 'train.json, line 1: "text" is missing'),
}


class WrongInputTests:
    """What every task refuses, beside its own wrong files. Needs the fixture `folder`: config, data, schema if it has
    one and vocabulary of a training, all of it good, in tmp_path/input."""

    task: Path
    config = CONFIG

    @pytest.mark.parametrize(("argument", "message"), BAD_OVERRIDES.items(), ids=lambda text: ascii(text)[:40])
    def test_overrides(self, argument, message, folder, refused, without_tensorflow):
        import train

        error = refused(train.main, "--config", folder / "config.json", "--output", folder / "run", "--set", argument)
        assert error.startswith(message)

    @pytest.mark.parametrize("output", ["train.json", "train.json/run", "/proc/run", "x" * 300])
    def test_training_into_a_folder_that_cannot_be(self, output, folder, refused, without_tensorflow):
        import train

        assert output in refused(train.main, "--config", folder / "config.json", "--output", folder / output)

    @pytest.mark.parametrize(("files", "message"), BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
    def test_checkpoints(self, files, message, folder, refused):
        """Other sizes than the config says are found when the model is built."""
        import train

        write(folder, checkpoint_files(self.config, files, folder.parent / "file"))
        error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
        assert message in error

    @pytest.mark.parametrize(("files", "changes", "message"), BAD_PREDICTIONS.values(), ids=BAD_PREDICTIONS)
    def test_prediction(self, files, changes, message, finished, refused, without_tensorflow):
        self.predict_refused(files, changes, message, finished, refused)

    def predict_refused(self, files, changes, message, finished, refused):
        import predict

        write(finished, files)
        (finished / "link.json").symlink_to("train.json")
        options = {"--model": "run", "--input": "train.json", "--output": "out.json"} | changes
        assert message in refused(predict.main, *(part for option in options.items() for part in option))

    @pytest.mark.parametrize(("content", "message"), NOT_JSON.values(), ids=NOT_JSON)
    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_files_that_are_no_json(self, reader, content, message, finished, refused, without_tensorflow):
        self.file_refused(reader, content, message, finished, refused)

    def file_refused(self, reader: Reader, content: bytes, message: str, finished: Path, refused: Callable):
        write(finished, {reader.file: content})
        error = refused(reader.main, *reader.arguments, lines=2)  # check_submission.py warns of what is no zip
        assert error.startswith(reader.file)
        assert message in error

    @pytest.mark.parametrize(("name", "message"), NO_FILES.values(), ids=NO_FILES)
    @pytest.mark.parametrize("reader", list(READERS.values())[2:], ids=list(READERS)[2:])
    def test_names_of_no_file(self, reader, name, message, finished, refused, without_tensorflow):
        assert refused(reader.main, *reader.with_name(name), lines=2) == f"{name}{message}"

    @pytest.mark.parametrize(("content", "message"), not_zips().values(), ids=not_zips())
    @pytest.mark.parametrize("reader", ["evaluate --predictions", "check --predictions"])
    def test_files_that_are_no_zips(self, reader, content, message, finished, refused, without_tensorflow):
        write(finished, {"pred.zip": content})
        error = refused(READERS[reader].main, *READERS[reader].with_name("pred.zip"), lines=2)
        assert error.startswith(f"pred.zip{message}")

    @pytest.fixture
    def finished(self, folder, monkeypatch):
        """The folder, with a finished run in it, as the working directory."""
        schema = folder / "schema.json"
        write(folder, run_files(self.config, schema.read_text(encoding="utf-8") if schema.exists() else None))
        monkeypatch.chdir(folder)
        return folder

    def test_exit_code_and_line_of_the_real_command(self, folder):
        result = subprocess.run(
            [sys.executable, self.task / "train.py", "--config", folder / "config.json", "--set", "epoch=3"],
            capture_output=True, encoding="utf-8", cwd=folder,
        )  # fmt: skip
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "error: --set: unknown key epoch (did you mean epochs?)\n"
        assert not (folder / "runs").exists()


class WrongLinesTests(WrongInputTests):
    """The same for the tasks whose files are JSON lines with a schema."""

    config = CONFIG_OF_LINES

    @pytest.mark.parametrize(
        ("files", "changes", "message"), BAD_LINES_TO_PREDICT.values(), ids=BAD_LINES_TO_PREDICT
    )
    def test_lines_to_predict(self, files, changes, message, finished, refused, without_tensorflow):
        self.predict_refused(files, changes, message, finished, refused)

    @pytest.mark.parametrize("name", [name for name in NOT_LINES if name not in NOT_JSON])
    @pytest.mark.parametrize("reader", list(READERS)[:-1])  # check_submission.py goes on behind such a line
    def test_files_that_are_no_lines(self, reader, name, finished, refused, without_tensorflow):
        self.file_refused(READERS[reader], *NOT_LINES[name], finished, refused)

    @pytest.mark.parametrize(("name", "message"), NO_FILES.values(), ids=NO_FILES)
    def test_schemas_of_no_file(self, name, message, finished, refused, without_tensorflow):
        reader = SCHEMA_READERS["check --schema"]
        assert refused(reader.main, *reader.with_name(name)) == f"{name}{message}"

    @pytest.mark.parametrize(("content", "message"), NOT_LINES.values(), ids=NOT_LINES)
    @pytest.mark.parametrize("reader", SCHEMA_READERS.values(), ids=SCHEMA_READERS)
    def test_schemas(self, reader, content, message, finished, refused, without_tensorflow):
        self.file_refused(reader, content, message, finished, refused)
