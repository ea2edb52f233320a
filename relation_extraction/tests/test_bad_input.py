"""If the input is wrong, the exit code is 2, one line says what is wrong and where, and nothing is left behind."""

import json
from pathlib import Path

import pytest

import check_submission
import evaluate
import predict
import train
from common.testing.commands import write
from common.testing.wrong_input import CONFIG_OF_LINES, WrongLinesTests, bad_lines, write_input

SCHEMA = '{"predicate": "父亲", "subject_type": "人物", "object_type": {"@value": "人物"}}\n'
GOOD = {"predicate": "父亲", "subject": "何川", "object": {"@value": "何江"}}


def line(text="何川之父何江", **changes):
    return json.dumps({"text": text, "spo_list": [GOOD]} | changes, ensure_ascii=False) + "\n"


@pytest.fixture
def folder(tmp_path):
    """Write everything that a training needs, all of it correct."""
    return write_input(tmp_path / "input", line() * 3, line() * 3, SCHEMA)


TRAINING = bad_lines(line) | {
    "unknown head": (
        {"config.json": json.dumps(CONFIG_OF_LINES | {"head": "biaffine"})}, "config.json: head: should be"
    ),
    "text missing": ({"train.json": line() + '{"spo_list": []}'}, 'train.json, line 2: "text" is missing'),
    "labels missing": ({"dev.json": line() + '{"text": ""}'}, 'dev.json, line 2: "spo_list" is missing'),
    "export of doccano": (
        {"train.json": '{"id": 7, "text": "何川", "label": [[0, 2, "人物"]]}\n'},
        'train.json, line 1: "spo_list" is missing; this looks like an export of doccano, expected the form that the',
    ),
    "labels not a list": ({"train.json": line(spo_list={})}, 'train.json, line 1: "spo_list" is not a list'),
    "triple not an object": ({"train.json": line(spo_list=["父亲"])}, "train.json, line 1: a triple in"),
    "object a list": (
        {"train.json": line(spo_list=[GOOD | {"object": ["何江"]}])}, 'train.json, line 1: "object" of a triple'
    ),
    "types of no predicate": (
        {"schema.json": SCHEMA + SCHEMA.replace("人物", "动物")},
        "train.json, line 1: predicate '父亲': \"subject_type\" None and \"object_type\" None do not choose one of "
        "'人物' {'@value': '人物'}, '动物' {'@value': '动物'} in the schema",
    ),
    "unknown predicate": (
        {"train.json": line() * 2 + line(spo_list=[GOOD | {"predicate": "母亲"}])},
        "train.json, line 3: predicate '母亲' is not in the schema",
    ),
    "unknown slot": (
        {"dev.json": line(spo_list=[GOOD | {"object": {"@value": "何江", "inWork": "海风"}}])},
        "dev.json, line 1: predicate '父亲' has no slot 'inWork'",
    ),
    "schema doubled": ({"schema.json": SCHEMA * 2}, "schema.json, line 2: predicate '父亲' is defined a second time"),
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
