"""Wrong input that every task refuses: configs, overrides, runs and files. Needs pytest.

`common` refuses most of it, whatever the task is, and tests/test_wrong_input.py tests all of that once. The tests of a
task have one case of each kind, which shows that its commands check their input, and all cases of its own lines.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.run_folder import FORMAT
from common.testing.commands import sibling, write
from common.testing.runs import ARCHITECTURE
from common.testing.wrong_files import (
    BAD_CHECKPOINTS,
    NO_FILES,
    NO_OUTPUTS,
    NOT_JSON,
    NOT_OBJECTS,
    READERS,
    SCHEMA_READERS,
    VOCABULARY,
    Reader,
    checkpoint_files,
    not_zips,
)

SIZES: dict[str, Any] = {"hidden_size": 16, "layers": 1, "heads": 2, "vocabulary": "vocab.txt"}
CONFIG: dict[str, Any] = {"train_file": "train.json", "dev_file": "dev.json", "encoder": SIZES}
CONFIG_OF_LINES = CONFIG | {"schema_file": "schema.json"}  # of tasks whose files are JSON lines with a schema
Case = tuple[dict[str, Any], str]  # changed files, and a part of the message
PredictionCase = tuple[dict[str, Any], dict[str, str], str]  # changed files, changed options, a part of the message


def write_input(folder: Path, train: str, dev: str, schema: str | None = None) -> Path:
    """Make a folder with everything that a training needs, and return the folder.

    Args:
        folder: the folder to make.
        train: the content of train.json.
        dev: the content of dev.json.
        schema: the content of schema.json, None for a task without one.
    """
    folder.mkdir()
    config = CONFIG if schema is None else CONFIG_OF_LINES
    files = {"config.json": json.dumps(config), "train.json": train, "dev.json": dev, "vocab.txt": VOCABULARY}
    write(folder, files if schema is None else files | {"schema.json": schema})
    return folder


@pytest.fixture
def refused(tmp_path, call, capsys):
    """Call a command, check that it refuses its input in one line, and return that line without "error: ".

    The command must not change anything below tmp_path. In the returned line, paths below tmp_path/input are relative
    to that folder. A command that shows findings may print up to `lines` lines. The last of them is returned.
    """

    def state() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}

    def refused(main: Callable[[], None], *arguments: Any, lines: int = 1) -> str:
        before = state()
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            call(main, *arguments)
        assert exit.value.code == 2
        error = re.sub(r"(\r.*)+\n", "", capsys.readouterr().err)  # without progress bars
        assert state() == before
        *findings, error = error.splitlines()
        assert len(findings) < lines
        assert error.startswith("error: ")
        return error.replace(f"{tmp_path / 'input'}/", "").removeprefix("error: ").rstrip()

    return refused


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Make every import of TensorFlow fail."""
    for name in ("tensorflow", "tf_keras"):
        monkeypatch.setitem(sys.modules, name, None)


def run_files(config: dict[str, Any], schema: str | None) -> dict[str, str | None]:
    """Make the files of a finished run whose data is gone. Its weights are empty, because no test reads them."""
    saved = config | {"encoder": SIZES | {"vocabulary": "/gone/vocab.txt"}, "train_file": "/gone/train.json"}
    return {
        "run/config.json": json.dumps({"format": FORMAT} | saved),
        "run/encoder.json": json.dumps(ARCHITECTURE),
        "run/vocab.txt": VOCABULARY,
        "run/schema.json": schema,
        "run/model.weights.h5": "",
        "run/metrics.json": "{}",
    }


def bad_configs(good: dict[str, Any]) -> dict[str, Case]:
    """Make cases of configs that no task takes, from a good one."""

    def config(**changes: Any) -> str:
        return json.dumps(good | changes)

    return bad_encoders(config) | {
        "config missing": ({"config.json": None}, "config.json: no such config"),
        "config not JSON": ({"config.json": "{"}, "config.json, line 1: not JSON"),
        "config not an object": ({"config.json": "[]"}, "config.json: expected an object"),
        "config not UTF-8": ({"config.json": b'{"a": "\xff"}'}, "config.json, line 1: not UTF-8"),
        "unknown key": ({"config.json": config(epoch=3)}, "config.json: unknown key epoch (did you mean epochs?)"),
        "unknown inner key": (
            {"config.json": config(optimizer={"clip": "hard", "rate": 1})}, "config.json: unknown key optimizer.rate"
        ),
        "wrong type": ({"config.json": config(epochs="ten")}, "config.json: epochs: should be"),
        "out of range": ({"config.json": config(dropout=1.5)}, "config.json: dropout: should be"),
        "negative seed": ({"config.json": config(seed=-1)}, "config.json: seed: should be"),
        "unknown choice": ({"config.json": config(precision="int8")}, "config.json: precision: should be"),
        "key twice": ({"config.json": f'{config()[:-1]}, "epochs": 1, "epochs": 2}}'}, "('epochs' twice in one obje"),
        "empty key": ({"config.json": config(**{"": 1})}, "config.json: unknown key"),
        "no batch": ({"config.json": config(batch_size=0)}, "config.json: batch_size: should be greater than 0"),
        "negative batch": ({"config.json": config(batch_size=-8)}, "config.json: batch_size: should be greater"),
        "true for a number": ({"config.json": config(batch_size=True)}, "batch_size: should be a valid integer, not"),
        "digits as a string": ({"config.json": config(batch_size="8")}, "config.json: batch_size: should be a valid"),
        "null for a number": ({"config.json": config(epochs=None)}, "config.json: epochs: should be a valid integer"),
        "too many epochs": ({"config.json": config(epochs=10**30)}, "config.json: epochs: should be less than 21474"),
        "too long a number": ({"config.json": f'{{"epochs": {"1" * 5000}}}'}, "config.json: not readable as JSON"),
        "infinite": ({"config.json": config(dropout=float("inf"))}, "config.json: dropout: should be a finite"),
        "NaN": ({"config.json": config(dropout=float("nan"))}, "config.json: dropout: should be a finite number"),
        "brackets deep": ({"config.json": f'{{"epochs": {"[" * 300}{"]" * 300}}}'}, "config.json: recursion limit exc"),
        "brackets deeper": ({"config.json": "[" * 100_000}, "config.json: not readable as JSON"),
        "half a pair": ({"config.json": config(gelu="\ud800")}, r"config.json: '\ud800' is half a character"),
        "optimizer a list": ({"config.json": config(optimizer=[])}, "config.json: optimizer: should be an object"),
        "rate of 0": ({"config.json": config(optimizer={"rates": {"a": 0}})}, "config.json: optimizer.rates.a: shou"),
        "xla in parts": ({"config.json": config(xla=True, accumulate=2)}, "config.json: xla and accumulate cannot b"),
        "remark a number": ({"config.json": config(about=1)}, "config.json: about: should be a string"),
        "parent a list": ({"config.json": config(parent=[])}, "config.json: parent: should be a string"),
        "parent a folder": ({"config.json": config(parent=".")}, "config.json: parent: no such file"),
        "parent of a long name": ({"config.json": config(parent="x" * 300)}, "config.json: parent: no such file: xx"),
        "parent itself": ({"config.json": config(parent="config.json")}, "config.json: parent: circular"),
        "data of a long name": (
            {"config.json": config(train_file="x" * 300)}, "config.json: train_file: no such file"
        ),
        "data of nobody": ({"config.json": config(train_file="~nobody/x")}, "config.json: train_file: no such file"),
        "data a number": ({"config.json": config(train_file=1)}, "config.json: train_file: should be a valid string"),
        "key missing": ({"config.json": '{"train_file": "train.json"}'}, "config.json: missing key"),
        "parent missing": (
            {"config.json": config(parent="none.json")}, "config.json: parent: no such file: none.json"
        ),
        "parent circular": (
            {"config.json": config(parent="other.json"), "other.json": '{"parent": "config.json"}'},
            "other.json: parent: circular",
        ),
        "unknown key in the parent": (
            {"config.json": config(parent="other.json"), "other.json": '{"epoch": 1}'},
            "other.json: unknown key epoch",
        ),
        "data missing": ({"train.json": None}, "config.json: train_file: no such file: train.json"),
        "stride beyond the window": (
            {"config.json": config(max_length=32, stride=31)}, "config.json: stride 31 is more than max_length - 2"
        ),
        "window of no token": ({"config.json": config(max_length=2, stride=1)}, "config.json: max_length: should be"),
    }  # fmt: skip


def bad_encoders(config: Callable[..., str]) -> dict[str, Case]:
    """Make cases of encoders that no task takes. `config` returns a good config with some keys changed."""
    return {
        "no units": (
            {"config.json": config(encoder=SIZES | {"hidden_size": 0})}, "config.json: encoder.hidden_size: should be"
        ),
        "encoder a list": ({"config.json": config(encoder=[])}, "config.json: encoder: should be a folder, a name o"),
        "encoder of a long name": ({"config.json": config(encoder="x" * 300)}, "xxx: no such folder, and not a name"),
        "encoder without a name": ({"config.json": config(encoder="")}, "input: no weights; expected"),
        "vocabulary UTF-16": ({"vocab.txt": VOCABULARY.encode("utf-16")}, "vocab.txt: the vocabulary is not UTF-8"),
        "vocabulary empty": ({"vocab.txt": ""}, "vocab.txt: the vocabulary is empty"),
        "vocabulary twice": ({"vocab.txt": VOCABULARY * 2}, "vocab.txt: the vocabulary has [PAD] 2 times"),
        "vocabulary with a blank line": ({"vocab.txt": f"{VOCABULARY}\n\n"}, "vocab.txt, line 7: blank"),
        "vocabulary without [CLS]": ({"vocab.txt": "[PAD]\n[UNK]\n[SEP]\n"}, "vocab.txt: the vocabulary lacks [CLS]"),
        "heads do not divide": (
            {"config.json": config(encoder=SIZES | {"heads": 3})}, "config.json: encoder: hidden_size 16"
        ),
        "checkpoint missing": ({"config.json": config(encoder="./bert")}, "bert: no such folder"),
        "checkpoint without weights": (
            {"config.json": config(encoder="./bert"), "bert/config.json": "{}", "bert/vocab.txt": ""},
            "bert: no weights",
        ),
    }  # fmt: skip


def bad_lines(line: Callable[..., str]) -> dict[str, Case]:
    """Make one case of each kind that no task on JSON lines takes.

    `line` returns an official line with labels, with some keys changed.
    """
    return pick(bad_configs(CONFIG_OF_LINES), *CONFIGS) | {
        "broken line": ({"dev.json": line() + line()[:-3]}, "dev.json, line 2: not JSON"),
        "line not an object": ({"train.json": "[]\n"}, "train.json, line 1: expected a JSON object"),
        "text not a string": ({"train.json": line(text=7)}, 'train.json, line 1: "text" is missing or not a string'),
        "schema missing": ({"schema.json": None}, "config.json: schema_file: no such file: schema.json"),
    }


def pick(cases: dict[str, Any], *names: str) -> dict[str, Any]:
    """Pick the cases of these names."""
    return {name: cases[name] for name in names}


# An argument of --set -> a part of the message.
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
BAD_PREDICTIONS: dict[str, PredictionCase] = {
    "run missing": ({}, {"--model": "none"}, "none: no such run folder"),
    "run a file": ({}, {"--model": "train.json"}, "train.json: no such run folder"),
    "not a run": ({}, {"--model": "."}, "not a finished run: "),
    "no weights": ({"run/model.weights.h5": None}, {}, "run: not a finished run: model.weights.h5 is missing"),
    "not finished": ({"run/metrics.json": None}, {}, "run: not a finished run: metrics.json is missing"),
    "config broken": ({"run/config.json": "{"}, {}, "run/config.json, line 1: not JSON"),
    "config of another kind": ({"run/config.json": '{"format": 2, "steps": 1}'}, {}, "run/config.json: unknown key st"),
    "an older format": ({"run/config.json": '{"head": "pair"}'}, {}, "run: a run folder of format 1, expected 2: trai"),
    "a format to come": ({"run/config.json": '{"format": 3}'}, {}, "run: a run folder of format 3, expected 2: trai"),
    "a format that is none": ({"run/config.json": '{"format": [2]}'}, {}, "run: a run folder of format [2], expec"),
    "encoder broken": ({"run/encoder.json": '{"model"'}, {}, "run/encoder.json, line 1: not JSON"),
    "encoder a list": ({"run/encoder.json": "[]"}, {}, "run/encoder.json: not the description of an encoder"),
    "encoder without layers": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"num_hidden_layers": None})},
        {},
        "run/encoder.json: not the",
    ),
    "encoder without positions": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"max_position": None})},
        {},
        "run/encoder.json: not the",
    ),
    "encoder without epsilon": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"layer_norm_eps": None})},
        {},
        "run/encoder.json: not the",
    ),
    "encoder whose heads do not divide": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"num_attention_heads": 3})},
        {},
        "run/encoder.json: not the",
    ),
    "encoder of another vocabulary": (
        {"run/encoder.json": json.dumps(ARCHITECTURE | {"vocab_size": 7})},
        {},
        "vocab_size is 7, the vocabulary has 6",
    ),
    "vocabulary cut": ({"run/vocab.txt": VOCABULARY[:-2]}, {}, "run/encoder.json: vocab_size is 6, the vocabulary has"),
    "vocabulary empty": ({"run/vocab.txt": ""}, {}, "run/vocab.txt: the vocabulary is empty"),
    "run of a long name": ({}, {"--model": "x" * 300}, "xxx: no such run folder"),
    "run of no name": ({}, {"--model": ""}, ".: not a finished run: encoder.json is missing"),
    "output the input": ({}, {"--output": "train.json"}, "train.json: is also an input; expected another name to wri"),
    "output a link to the input": ({}, {"--output": "link.json"}, "link.json: is also an input"),
    "negative batch": ({}, {"--batch-size": "-1"}, "--batch-size -1: expected at least 1"),
    **{f"input: {name}": ({}, {"--input": file}, message) for name, (file, message) in NO_FILES.items()},
    **{f"output: {name}": ({}, {"--output": file}, message) for name, (file, message) in NO_OUTPUTS.items()},
    "no batch": ({}, {"--batch-size": "0"}, "--batch-size 0: expected at least 1"),
    "no worker": ({}, {"--workers": "0"}, "--workers 0: expected at least 1"),
    "workers and standard output": ({}, {"--workers": "2", "--output": "-"}, "--workers and --ray need a file"),
}
BAD_LINES_TO_PREDICT: dict[str, PredictionCase] = {
    "no schema": ({"run/schema.json": None}, {}, "run/schema.json: no such file"),
    "input without text": ({"train.json": '{"id": "1"}\n'}, {}, 'train.json, line 1: "text" is missing'),
}

# One case of each kind, for a task.
CONFIGS = ("unknown key", "out of range", "data missing")
CHECKPOINTS = pick(BAD_CHECKPOINTS, "positions", "sizes")
PREDICTIONS = pick(BAD_PREDICTIONS, "not a run", "input: none", "output the input", "output: no folder", "no batch")


class WrongInputTests:
    """Tests of what every task refuses. A task adds tests of its own files.

    They need the fixture `folder`. It is tmp_path/input and holds the good input of a training: its config, its data,
    its vocabulary and, if the task has one, its schema.
    """

    task: Path
    config = CONFIG

    def test_an_override(self, folder, refused, without_tensorflow):
        arguments = ["--config", folder / "config.json", "--output", folder / "run", "--set", "epochs=ten"]
        assert refused(sibling("train").main, *arguments) == '--set: epochs: should be a valid integer, not "ten"'

    def test_training_into_a_folder_that_cannot_be(self, folder, refused, without_tensorflow):
        arguments = ["--config", folder / "config.json", "--output", folder / "train.json"]
        error = refused(sibling("train").main, *arguments)
        assert error == "train.json: cannot be written (Not a directory)"

    @pytest.mark.parametrize(("files", "message"), CHECKPOINTS.values(), ids=CHECKPOINTS)
    def test_checkpoints(self, files, message, folder, refused):
        """A checkpoint whose sizes differ from its config is refused when the model is built."""
        write(folder, checkpoint_files(self.config, files, folder.parent / "file"))
        arguments = ["--config", folder / "config.json", "--output", folder.parent / "run"]
        error = refused(sibling("train").main, *arguments)
        assert message in error

    @pytest.mark.parametrize(("files", "changes", "message"), PREDICTIONS.values(), ids=PREDICTIONS)
    def test_prediction(self, files, changes, message, finished, refused, without_tensorflow):
        self.predict_refused(files, changes, message, finished, refused)

    def predict_refused(self, files, changes, message, finished, refused):
        write(finished, files)
        options = {"--model": "run", "--input": "train.json", "--output": "out.json"} | changes
        assert message in refused(sibling("predict").main, *(part for option in options.items() for part in option))

    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_files_that_are_no_json(self, reader, finished, refused, without_tensorflow):
        self.file_refused(reader, *NOT_JSON["GBK"], finished, refused)

    def file_refused(self, reader: Reader, content: bytes, message: str, finished: Path, refused: Callable):
        write(finished, {reader.file: content})
        # There may be two lines, because check_submission.py also warns that the file is no zip.
        error = refused(reader.main, *reader.arguments, lines=2)
        assert error.startswith(f"{reader.file}{message}")

    @pytest.mark.parametrize("reader", list(READERS.values())[2:], ids=list(READERS)[2:])
    def test_names_of_no_file(self, reader, finished, refused, without_tensorflow):
        name, message = NO_FILES["none"]
        assert refused(reader.main, *reader.with_name(name), lines=2) == f"{name}{message}"

    @pytest.mark.parametrize("reader", ["evaluate --predictions", "check --predictions"])
    def test_files_that_are_no_zips(self, reader, finished, refused, without_tensorflow):
        content, message = not_zips()["text"]
        write(finished, {"pred.zip": content})
        error = refused(READERS[reader].main, *READERS[reader].with_name("pred.zip"), lines=2)
        assert error == f"pred.zip{message}"

    @pytest.fixture
    def finished(self, folder, monkeypatch):
        """Add a finished run to the folder, and make the folder the working directory."""
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
    """Tests of what a task refuses if its files are JSON lines with a schema."""

    config = CONFIG_OF_LINES

    @pytest.mark.parametrize(("files", "changes", "message"), BAD_LINES_TO_PREDICT.values(), ids=BAD_LINES_TO_PREDICT)
    def test_lines_to_predict(self, files, changes, message, finished, refused, without_tensorflow):
        self.predict_refused(files, changes, message, finished, refused)

    @pytest.mark.parametrize("reader", SCHEMA_READERS.values(), ids=SCHEMA_READERS)
    def test_schemas_that_are_no_json(self, reader, finished, refused, without_tensorflow):
        self.file_refused(reader, *NOT_JSON["GBK"], finished, refused)

    def test_a_schema_of_no_file(self, finished, refused, without_tensorflow):
        name, message = NO_FILES["none"]
        reader = SCHEMA_READERS["check --schema"]
        assert refused(reader.main, *reader.with_name(name)) == f"{name}{message}"

    # The last reader, check_submission.py, is left out: it reports such a line as a problem and reads on.
    @pytest.mark.parametrize("reader", [*list(READERS)[:-1], *SCHEMA_READERS])
    def test_lines_that_are_lists(self, reader, finished, refused, without_tensorflow):
        self.file_refused((READERS | SCHEMA_READERS)[reader], *NOT_OBJECTS["a list"], finished, refused)

    @pytest.mark.parametrize("name", [name for name in NOT_OBJECTS if name != "a list"])
    @pytest.mark.parametrize("reader", ["train_file", "schema_file"])
    def test_lines_that_are_no_objects(self, reader, name, finished, refused, without_tensorflow):
        self.file_refused((READERS | SCHEMA_READERS)[reader], *NOT_OBJECTS[name], finished, refused)
