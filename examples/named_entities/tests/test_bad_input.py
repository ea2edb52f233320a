"""Wrong input ends with exit code 2 and one line that says where and what is wrong. Nothing is left behind."""

import json
from pathlib import Path

import pytest

import evaluate
import train
from common.testing.commands import write
from common.testing.wrong_input import WrongLinesTests, bad_lines, write_input

SCHEMA = '{"label": "name"}\n'


def line(text="何川去世", label=None, **changes):
    record = {"text": text, "label": label or {"name": {"何川": [[0, 1]]}}} | changes
    return json.dumps(record, ensure_ascii=False) + "\n"


@pytest.fixture
def folder(tmp_path):
    """Write everything that a training needs, with nothing wrong in it."""
    return write_input(tmp_path / "input", line() + line() + line(), line() + line() + line(), SCHEMA)


TRAINING = bad_lines(line) | {
    "labels missing": ({"dev.json": line() + '{"text": "何川"}'}, 'dev.json, line 2: "label" is missing'),
    "export of doccano": (
        {"train.json": '{"id": 7, "text": "何川", "label": [[0, 2, "name"]]}\n'},
        """"label" is missing or not like {"name": {"何川": [[0, 1]]}}; this looks like an export of doccano""",
    ),
    "labels a list": ({"train.json": line(label=["name"])}, 'train.json, line 1: "label" is missing or not like'),
    "strings a list": ({"train.json": line(label={"name": ["何川"]})}, 'line 1: "label" is missing or not like'),
    "no place": ({"train.json": line(label={"name": {"何川": []}})}, 'line 1: "label" is missing or not like'),
    "place a number": ({"train.json": line(label={"name": {"何川": [0, 1]}})}, 'line 1: "label" is missing or'),
    "place of three": ({"train.json": line(label={"name": {"何川": [[0, 1, 2]]}})}, 'line 1: "label" is missing or'),
    "place not whole": ({"train.json": line(label={"name": {"何川": [[0, 1.0]]}})}, 'line 1: "label" is missing or'),
    "place wrong": (
        {"train.json": line() + line(label={"name": {"何川": [[0, 1], [0, 2]]}})},
        "train.json, line 2: name '何川' is not at characters 0 to 2 of the text",
    ),
    "place negative": ({"train.json": line(label={"name": {"去世": [[-2, 3]]}})}, "name '去世' is not at"),
    "empty string": ({"train.json": line(label={"name": {"": [[1, 0]]}})}, "line 1: name '' is not at"),
    "unknown label": ({"dev.json": line(label={"city": {"何川": [[0, 1]]}})}, "label 'city' is not in the schema"),
    "schema doubled": ({"schema.json": SCHEMA * 2}, "schema.json, line 2: label 'name' is defined a second time"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


class TestWrongInput(WrongLinesTests):
    task = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (line(text="江月", label={"name": {"江月": [[0, 1]]}}), "pred.json: has none of the texts of"),
        ('{"text": "何川去世"}\n', 'pred.json, line 1: "label" is missing'),
    ],
)
def test_evaluation(predictions, message, folder, refused, without_tensorflow):
    write(folder, {"pred.json": predictions})
    assert message in refused(evaluate.main, "--gold", folder / "dev.json", "--predictions", folder / "pred.json")
