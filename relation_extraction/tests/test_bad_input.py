"""Whatever is wrong with the input: exit code 2, one line that says where and what, and nothing left behind."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import check_submission
import evaluate
import predict
import train

FOLDER = Path(__file__).resolve().parents[1]
SCHEMA = '{"predicate": "父亲", "subject_type": "人物", "object_type": {"@value": "人物"}}\n'
GOOD = {"predicate": "父亲", "subject": "何川", "object": {"@value": "何江"}}
SIZES = {"hidden_size": 16, "layers": 1, "heads": 2, "vocabulary": "vocab.txt"}
CONFIG = {"train_file": "train.json", "dev_file": "dev.json", "schema_file": "schema.json", "encoder": SIZES}
BERT = {
    "model_type": "bert", "vocab_size": 6, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip


def line(text="何川之父何江", **changes):
    return json.dumps({"text": text, "spo_list": [GOOD]} | changes, ensure_ascii=False) + "\n"


def settings(**changes):
    return json.dumps(CONFIG | changes)


def safetensors(tmp_path, **shapes):
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "file")
    return (tmp_path / "file").read_bytes()


@pytest.fixture
def folder(tmp_path):
    """Everything that a training needs, all of it good."""
    folder = tmp_path / "input"
    folder.mkdir()
    write(folder, {
        "config.json": settings(),
        "train.json": line() * 3,
        "dev.json": line() * 3,
        "schema.json": SCHEMA,
        "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n何\n",
    })  # fmt: skip
    return folder


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def refused(folder, call, capsys):
    """Calls a command, sees that it refuses in one line and leaves the files as they are; returns the line."""

    def state():
        return {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}

    def refused(main, *arguments):
        before = state()
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            call(main, *arguments)
        assert exit.value.code == 2
        error = re.sub(r"(\r.*)+\n", "", capsys.readouterr().err)  # progress bars aside
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert state() == before
        return error.replace(f"{folder}/", "").removeprefix("error: ").rstrip()

    return refused


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Importing TensorFlow, or what imports it, fails."""
    for name in ("tensorflow", "tf_keras", "model", "common.training"):
        monkeypatch.setitem(sys.modules, name, None)


TRAINING = {
    # config
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
    "unknown head": ({"config.json": settings(head="biaffine")}, "config.json: head: should be"),
    "key missing": ({"config.json": '{"train_file": "train.json"}'}, "config.json: missing key"),
    "parent missing": ({"config.json": settings(parent="none.json")}, "config.json: parent: no such file: none.json"),
    "parent circular": (
        {"config.json": settings(parent="other.json"), "other.json": '{"parent": "config.json"}'},
        "other.json: parent: circular",
    ),
    "unknown key in the parent": (
        {"config.json": settings(parent="other.json"), "other.json": '{"epoch": 1}'}, "other.json: unknown key epoch"
    ),
    "stride beyond the window": (
        {"config.json": settings(max_length=32, stride=31)}, "config.json: stride 31 is more than max_length - 2"
    ),
    "window of no token": ({"config.json": settings(max_length=2, stride=1)}, "config.json: max_length: should be"),
    # data
    "data missing": ({"train.json": None}, "config.json: train_file: no such file: train.json"),
    "data empty": ({"train.json": ""}, "train.json: empty file"),
    "data not UTF-8": ({"train.json": line().encode() + b"\xff\n"}, "train.json, line 2: not UTF-8"),
    "data not JSON": ({"dev.json": line() + line()[:-3]}, "dev.json, line 2: not JSON"),
    "blank line": ({"dev.json": line() + "\n" + line()}, "dev.json, line 2: blank line"),
    "line not an object": ({"train.json": "[]\n"}, "train.json, line 1: expected a JSON object"),
    "text missing": ({"train.json": line() + '{"spo_list": []}'}, 'train.json, line 2: "text" is missing'),
    "text not a string": ({"train.json": line(text=7)}, 'train.json, line 1: "text" is missing or not a string'),
    "labels missing": ({"dev.json": line() + '{"text": ""}'}, 'dev.json, line 2: "spo_list" is missing'),
    "labels not a list": ({"train.json": line(spo_list={})}, 'train.json, line 1: "spo_list" is not a list'),
    "triple not an object": ({"train.json": line(spo_list=["父亲"])}, "train.json, line 1: a triple in"),
    "object a string": (
        {"train.json": line(spo_list=[GOOD | {"object": "何江"}])}, 'train.json, line 1: "object" of a triple'
    ),
    "unknown predicate": (
        {"train.json": line() * 2 + line(spo_list=[GOOD | {"predicate": "母亲"}])},
        "train.json, line 3: predicate '母亲' is not in the schema",
    ),
    "unknown slot": (
        {"dev.json": line(spo_list=[GOOD | {"object": {"@value": "何江", "inWork": "海风"}}])},
        "dev.json, line 1: predicate '父亲' has no slot 'inWork'",
    ),
    # schema
    "schema missing": ({"schema.json": None}, "config.json: schema_file: no such file: schema.json"),
    "schema empty": ({"schema.json": ""}, "schema.json: empty file"),
    "schema doubled": ({"schema.json": SCHEMA * 2}, "schema.json, line 2: predicate '父亲' is defined a second time"),
    "schema of strings": ({"schema.json": '"父亲"\n'}, "schema.json, line 1: expected"),
    # encoder
    "vocabulary without [CLS]": ({"vocab.txt": "[PAD]\n[UNK]\n[SEP]\n"}, "vocab.txt: the vocabulary lacks [CLS]"),
    "heads do not divide": (
        {"config.json": settings(encoder=SIZES | {"heads": 3})}, "config.json: encoder: hidden_size 16"
    ),
    "checkpoint missing": ({"config.json": settings(encoder="./bert")}, "bert: no such folder"),
    "checkpoint without weights": (
        {"config.json": settings(encoder="./bert"), "bert/config.json": "{}", "bert/vocab.txt": ""}, "bert: no weights"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("epochs", "--set epochs: expected key=value"),
        ("epochs=ten", "--set: epochs: should be"),
        ("optimizer.epochs=1", "--set: unknown key optimizer.epochs"),
        ("train_file=none.json", "--set: train_file: no such file: "),
    ],
)
def test_overrides(argument, message, folder, refused, without_tensorflow):
    error = refused(train.main, "--config", folder / "config.json", "--output", folder / "run", "--set", argument)
    assert error.startswith(message)


@pytest.mark.parametrize("output", ["train.json", "train.json/run", "/proc/run"])
def test_training_into_a_folder_that_cannot_be(output, folder, refused, without_tensorflow):
    assert output in refused(train.main, "--config", folder / "config.json", "--output", folder / output)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": BERT | {"vocab_size": 7}}, "bert/vocab.txt: 6 entries, but the encoder has embeddings for 7"),
        ({"config.json": BERT | {"max_position_embeddings": 255}}, "max_length: 256 tokens, but"),
        ({"config.json": BERT | {"num_attention_heads": 3}}, "bert/config.json: hidden_size 16 is not a multiple"),
        ({"config.json": BERT | {"hidden_act": "mish"}}, "bert/config.json: hidden_act 'mish' is not one of"),
        ({"model.safetensors": b"\x08\0\0\0\0\0\0\0{}"}, "bert/model.safetensors: truncated"),
        ({"model.safetensors": None, "pytorch_model.bin": b"\x80"}, "bert: pytorch_model.bin is a pickle file"),
        ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 8)}}, "has shape [6, 8]"),
        ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)}}, "the file lacks"),
    ],
    ids=["entries", "positions", "heads", "activation", "truncated", "pickle", "sizes", "tensors missing"],
)  # fmt: skip
def test_checkpoints(files, message, folder, refused):
    """Other sizes than the config says are found when the model is built."""
    contents = {"config.json": BERT, "model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)}}
    write(folder, {"config.json": settings(encoder="./bert"), "bert/vocab.txt": (folder / "vocab.txt").read_bytes()})
    for name, content in (contents | files).items():
        if isinstance(content, dict):
            is_config = name == "config.json"
            content = json.dumps(content) if is_config else safetensors(folder.parent, **content)
        if content is not None:
            write(folder / "bert", {name: content})
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


# --- prediction


@pytest.fixture
def run_folder(folder):
    """A run folder with everything but weights."""
    run = folder / "run"
    saved = CONFIG | {"encoder": SIZES | {"vocabulary": "/gone/vocab.txt"}, "train_file": "/gone/train.json"}
    write(folder, {
        "run/config.json": json.dumps(saved),
        "run/encoder.json": "{}",
        "run/vocab.txt": (folder / "vocab.txt").read_bytes(),
        "run/schema.json": SCHEMA,
    })  # fmt: skip
    return run


PREDICTION = {
    "run missing": ({}, {"--model": "none"}, "none: no such run folder"),
    "run a file": ({}, {"--model": "train.json"}, "train.json: no such run folder"),
    "not a run": ({}, {"--model": "."}, "not a finished run: "),
    "no weights": ({"run/model.weights.h5": None}, {}, "run: not a finished run: model.weights.h5 is missing"),
    "not finished": ({"run/metrics.json": None}, {}, "run: not a finished run: metrics.json is missing"),
    "no schema": ({"run/schema.json": None}, {}, "run/schema.json: no such file"),
    "config broken": ({"run/config.json": "{"}, {}, "run/config.json, line 1: not JSON"),
    "input missing": ({}, {"--input": "none.json"}, "none.json: no such file"),
    "input a folder": ({}, {"--input": "run"}, "run: cannot be read"),
    "input empty": ({"train.json": ""}, {}, "train.json: empty file"),
    "input without text": ({"train.json": '{"id": 1}\n'}, {}, 'train.json, line 1: "text" is missing'),
    "output folder missing": ({}, {"--output": "none/out.json"}, "none/out.json: no such folder"),
    "output a folder": ({}, {"--output": "run"}, "run: is a folder"),
    "output below a file": ({}, {"--output": "train.json/out.json"}, "train.json/out.json: no"),
    "no batch": ({}, {"--batch-size": "0"}, "--batch-size"),
}


@pytest.mark.parametrize(("files", "changes", "message"), PREDICTION.values(), ids=PREDICTION)
def test_prediction(files, changes, message, folder, run_folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"run/model.weights.h5": b"", "run/metrics.json": '{"threshold": 0}'} | files)
    monkeypatch.chdir(folder)
    options = {"--model": "run", "--input": "train.json", "--output": "out.json"} | changes
    assert message in refused(predict.main, *(part for option in options.items() for part in option))


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_prediction_stops_at_a_bad_line_and_writes_nothing(trained, folder, refused):
    write(folder, {"test.json": line() * 5 + '{"text": 1}\n'})
    error = refused(
        predict.main, "--model", trained, "--input", folder / "test.json", "--output", folder / "out.zip",
        "--engine", "tensorflow",
    )  # fmt: skip
    assert error == 'test.json, line 6: "text" is missing or not a string'


# --- scoring


def test_gold_and_predictions_swapped(folder, refused):
    write(folder, {"gold.json": "".join(line(f"第{i}句") for i in range(9)),
                   "predicted.json": "".join(line(f"第{i}句", spo_list=[]) for i in range(9))})  # fmt: skip
    error = refused(evaluate.main, "--gold", folder / "predicted.json", "--predictions", folder / "gold.json")
    assert "swapped" in error


def test_unlabelled_gold(folder, refused):
    write(folder, {"gold.json": '{"text": "何川"}\n'})
    error = refused(evaluate.main, "--gold", folder / "gold.json", "--predictions", folder / "dev.json")
    assert error.startswith('gold.json, line 1: "spo_list" is missing')


def test_checking_a_submission_against_a_broken_input(folder, refused):
    write(folder, {"test.json": "{}\n"})
    error = refused(check_submission.main, "--input", folder / "test.json", "--predictions", folder / "dev.json")
    assert error.startswith('test.json, line 1: "text" is missing')


# --- on the shell


def test_exit_code_and_line_of_the_real_command(folder):
    result = subprocess.run(
        [sys.executable, FOLDER / "train.py", "--config", folder / "config.json", "--set", "epoch=3"],
        capture_output=True, encoding="utf-8", cwd=folder,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: --set: unknown key epoch (did you mean epochs?)\n"
    assert not (folder / "runs").exists()
