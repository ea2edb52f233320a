"""Wrong input ends with exit code 2 and one line that says where and what. Nothing is left behind."""

import itertools
import json
from pathlib import Path

import pytest

import check_submission
import evaluate
import predict
import train
from common.testing.commands import write
from common.testing.wrong_input import CONFIG_OF_LINES, WrongLinesTests, bad_lines, write_input

SCHEMA = '{"event_type": "人生-死亡", "role_list": [{"role": "死者"}]}\n'
ARGUMENT = {"role": "死者", "argument": "何川", "argument_start_index": 0, "alias": []}
NUMBERS = itertools.count()  # ids must not repeat
EVENT = {"event_type": "人生-死亡", "trigger": "去世", "trigger_start_index": 2, "arguments": [ARGUMENT]}


def line(text="何川去世", event=None, **changes):
    record = {"text": text, "id": f"id {next(NUMBERS)}", "event_list": [EVENT | (event or {})]} | changes
    return json.dumps(record, ensure_ascii=False) + "\n"


@pytest.fixture
def folder(tmp_path):
    """Write everything that a training needs, with nothing wrong in it."""
    return write_input(tmp_path / "input", line() + line() + line(), line() + line() + line(), SCHEMA)


TRAINING = bad_lines(line) | {
    "unknown head": (
        {"config.json": json.dumps(CONFIG_OF_LINES | {"head": "biaffine"})}, "config.json: head: should be"
    ),
    "text missing": ({"train.json": line() + '{"id": "1", "event_list": []}'}, 'train.json, line 2: "text" is missing'),
    "id a fraction": ({"train.json": line(id=1.0)}, 'line 1: "id" is missing, or neither a string nor a whole number'),
    "id true": ({"train.json": line(id=True)}, 'train.json, line 1: "id" is missing, or neither a string nor a whole'),
    "numbers and strings": ({"dev.json": line(id=7) + line(id="7")}, "line 2: id '7' is already on line 1"),
    "labels missing": ({"dev.json": line() + '{"text": "", "id": "2"}'}, 'dev.json, line 2: "event_list" is missing'),
    "export of doccano": (
        {"train.json": '{"id": 7, "text": "何川", "label": [[0, 2, "死者"]]}\n'},
        'train.json, line 1: "event_list" is missing; this looks like an export of doccano, expected the form that the',
    ),
    "labels not a list": ({"train.json": line(event_list={})}, 'train.json, line 1: "event_list" is not a list'),
    "event not an object": ({"train.json": line(event_list=["去世"])}, 'train.json, line 1: "event_type" of an event'),
    "arguments not a list": (
        {"train.json": line(event={"arguments": {}})}, 'train.json, line 1: "arguments" of an event is missing'
    ),
    "argument a string": (
        {"train.json": line(event={"arguments": ["何川"]})}, 'train.json, line 1: "role" or "argument" of an argument'
    ),
    "alias a string": (
        {"train.json": line(event={"arguments": [ARGUMENT | {"alias": "川"}]})}, 'train.json, line 1: "alias" of an'
    ),
    "trigger missing": (
        {"dev.json": line(event={"trigger": None})}, 'dev.json, line 1: "trigger" of an event is missing (DuEE-fin'
    ),
    "offset of a trigger missing": (
        {"dev.json": line(event={"trigger_start_index": None})},
        'line 1: "trigger_start_index" of an event is missing (DuEE-fin has none; expected the form of DuEE 1.0)',
    ),
    "argument empty": (
        {"train.json": line(event={"arguments": [ARGUMENT | {"argument": ""}]})},
        "train.json, line 1: an empty argument of an event of type '人生-死亡'",
    ),
    "offset missing": (
        {"train.json": line(event={"arguments": [{"role": "死者", "argument": "何川"}]})},
        'train.json, line 1: "argument_start_index" of an event is missing (DuEE-fin has none',
    ),
    "offset a string": (
        {"train.json": line(event={"trigger_start_index": "2"})},
        'line 1: "trigger" of an event is not a string, or "trigger_start_index" is not a whole number',
    ),
    "offset wrong": (
        {"train.json": line() + line() + line(event={"trigger_start_index": 1})},
        "train.json, line 3: trigger '去世' is not at character 1 of the text",
    ),
    "offset negative": (
        {"train.json": line(event={"arguments": [ARGUMENT | {"argument_start_index": -4}]})},
        "train.json, line 1: argument '何川' is not at character -4 of the text",
    ),
    "unknown type": (
        {"train.json": line() + line(event={"event_type": "死亡"})},
        "train.json, line 2: event type '死亡' is not in the schema",
    ),
    "unknown role": (
        {"dev.json": line(event={"arguments": [ARGUMENT | {"role": "生者"}]})},
        "dev.json, line 1: event type '人生-死亡' has no role '生者' in the schema",
    ),
    "id repeated": ({"dev.json": line() + line(id="7") + line(id="7")}, "line 3: id '7' is already on line 2"),
    "schema doubled": ({"schema.json": SCHEMA * 2}, "schema.json, line 2: event type '人生-死亡' is defined a second"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


class TestWrongInput(WrongLinesTests):
    task = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_prediction_stops_at_a_bad_line_and_writes_nothing(trained, folder, refused):
    write(folder, {"test.json": line() * 5 + '{"text": "何川"}\n'})
    error = refused(
        predict.main, "--model", trained, "--input", folder / "test.json", "--output", folder / "out.zip",
        "--engine", "tensorflow",
    )  # fmt: skip
    assert error == 'test.json, line 6: "id" is missing, or neither a string nor a whole number'


def test_a_report_on_gold_without_texts(folder, refused):
    """The report's folder is not made."""
    write(folder, {"gold.json": line(text=None, id="1"), "pred.json": line(id="1")})
    files = ["--gold", folder / "gold.json", "--predictions", folder / "pred.json"]
    error = refused(evaluate.main, *files, "--report", folder / "new")
    assert error == 'gold.json, line 1: "text" is missing or not a string, but a report needs it'


def test_checking_a_submission_against_a_broken_input(folder, refused):
    write(folder, {"test.json": "{}\n"})
    error = refused(check_submission.main, "--input", folder / "test.json", "--predictions", folder / "dev.json")
    assert error.startswith('test.json, line 1: "text" is missing')
