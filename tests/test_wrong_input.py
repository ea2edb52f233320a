"""Tests of whatever can be wrong with the input of any task.

A mistake gives exit code 2 and one line that says where it is and what is wrong, and leaves nothing behind. The tasks'
own tests have one case of each kind.
"""

import json
from pathlib import Path

import pytest

from common.cli import prediction_arguments, training_arguments
from common.config import WindowedConfig, load_config
from common.encoder import build_encoder, load_pretrained, resolve_encoder
from common.files import check_output_path, read_json, read_jsonl, read_lines, read_submission_lines
from common.run_folder import find_run, load_run
from common.submission import check_submission
from common.testing.commands import write
from common.testing.wrong_files import (
    BAD_CHECKPOINTS,
    LINE,
    NO_FILES,
    NOT_JSON,
    NOT_LINES,
    NOT_TEXT,
    checkpoint_files,
    not_zips,
)
from common.testing.wrong_input import (
    BAD_OVERRIDES,
    BAD_PREDICTIONS,
    CONFIG,
    bad_configs,
    run_files,
    write_input,
)

HERE = Path(__file__).resolve().parent
CONFIGS = bad_configs(CONFIG)


def train():
    """Call `common` as every task's train.py does until it has data and an encoder."""
    args = training_arguments("")
    config = load_config(WindowedConfig, args.config, HERE, args.set)
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    find_run(args, HERE, config, source)
    load_pretrained(build_encoder(source.architecture, config.seed), source)


def predict():
    """Call `common` as every task's predict.py does before it loads a model."""
    args = prediction_arguments("")
    load_run(args.model, WindowedConfig)
    check_output_path(args.output, args.input)
    list(read_submission_lines(args.input))


def check(path):
    """Compare a file of predictions with one line of input."""
    check_submission([json.loads(LINE)], "train.json", path, "text", lambda record, problem, warning: 0)


LINE_READERS = {"lines": read_jsonl, "lines of a submission": read_submission_lines}
READERS = LINE_READERS | {"one value": read_json}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write a config, data, a vocabulary and a finished run, all without mistakes, and change to their folder."""
    folder = write_input(tmp_path / "input", LINE, LINE)
    write(folder, run_files(CONFIG, None))
    (folder / "link.json").symlink_to("train.json")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def read_refused(folder, refused):
    """Return a function that reads a file to its end, perhaps after writing it, and returns the error message."""

    def read_refused(read, name, content=None):
        if content is not None:
            write(folder, {name: content})
        return refused(lambda: list(read(name) or ()), lines=2)  # a check also warns if the file is no zip

    return read_refused


def test_what_is_good_is_taken(folder, call):
    call(train, "--config", "config.json", "--output", "new")
    call(predict, "--model", "run", "--input", "train.json", "--output", "out.json")
    assert [len(list(read("train.json"))) for read in READERS.values()] == [1, 1, 1]
    check("train.json")


# --- training


@pytest.mark.parametrize(("files", "message"), CONFIGS.values(), ids=CONFIGS)
def test_configs(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train, "--config", folder / "config.json", "--output", folder / "new")
    assert message in error


@pytest.mark.parametrize(("argument", "message"), BAD_OVERRIDES.items(), ids=lambda text: ascii(text)[:40])
def test_overrides(argument, message, folder, refused, without_tensorflow):
    error = refused(train, "--config", folder / "config.json", "--output", folder / "new", "--set", argument)
    assert error.startswith(message)


@pytest.mark.parametrize(("files", "message"), BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_checkpoints(files, message, folder, refused):
    """Sizes that differ from those in the config are found only when the model is built."""
    write(folder, checkpoint_files(CONFIG, files, folder.parent / "file"))
    assert message in refused(train, "--config", folder / "config.json", "--output", folder / "new")


@pytest.mark.parametrize("output", ["train.json", "train.json/run", "/proc/run", "x" * 300])
def test_training_into_a_folder_that_cannot_be(output, folder, refused, without_tensorflow):
    error = refused(train, "--config", "config.json", "--output", output)
    assert error.startswith(f"{output}: cannot be written (")


# --- prediction


@pytest.mark.parametrize(("files", "changes", "message"), BAD_PREDICTIONS.values(), ids=BAD_PREDICTIONS)
def test_prediction(files, changes, message, folder, refused, without_tensorflow):
    write(folder, files)
    options = {"--model": "run", "--input": "train.json", "--output": "out.json"} | changes
    assert message in refused(predict, *(part for option in options.items() for part in option))


# --- reading


@pytest.mark.parametrize(("content", "message"), NOT_TEXT.values(), ids=NOT_TEXT)
def test_files_that_are_no_text(content, message, read_refused):
    assert read_refused(read_lines, "text.txt", content) == f"text.txt{message}"


@pytest.mark.parametrize(("content", "message"), NOT_JSON.values(), ids=NOT_JSON)
def test_files_that_are_no_json(content, message, read_refused):
    assert read_refused(read_json, "train.json", content).startswith(f"train.json{message}")


@pytest.mark.parametrize(("content", "message"), NOT_LINES.values(), ids=NOT_LINES)
@pytest.mark.parametrize("read", LINE_READERS.values(), ids=LINE_READERS)
def test_files_that_are_no_json_lines(read, content, message, read_refused):
    error = read_refused(read, "train.json", content)
    assert error.startswith("train.json")
    assert message in error


@pytest.mark.parametrize(("content", "message"), not_zips().values(), ids=not_zips())
@pytest.mark.parametrize("read", [read_submission_lines, read_json, check])
def test_files_that_are_no_zips(read, content, message, read_refused):
    assert read_refused(read, "pred.zip", content).startswith(f"pred.zip{message}")


@pytest.mark.parametrize(("name", "message"), NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("read", [read_lines, *READERS.values(), check])
def test_names_of_no_file(read, name, message, read_refused):
    assert read_refused(read, name) == f"{name}{message}"
