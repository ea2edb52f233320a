"""Wrong input ends with exit code 2 and one line that says where and what is wrong. Nothing is left behind."""

import json
from pathlib import Path
from typing import Any

import pytest

import check_submission
import evaluate
import heuristics
import predict
import train
from common.testing.commands import write
from common.testing.wrong_input import CONFIG, CONFIGS, WrongInputTests, bad_configs, pick, write_input

QUESTION = {"question": "谁", "id": "1", "answers": [{"text": "何", "answer_start": -1}]}


def data(paragraph=None, **question):
    good = {"context": "何川", "qas": [QUESTION | question]}
    return json.dumps({"data": [{"paragraphs": [good | (paragraph or {})]}]})


FLAT = QUESTION | {"context": "何川"}


@pytest.fixture
def folder(tmp_path):
    """Make a folder with everything that a training needs, all of it good."""
    return write_input(tmp_path / "input", data(), data())


FILES = {
    "files as JSON lines": (f"{data()}\n{data()}", 'train.json, line 1: "paragraphs" is missing or not a list'),
    "broken JSON lines": (f"{data()}\n{data()[:-1]}", "train.json, line 2: not JSON (Expecting ',' delimiter, column"),
    "a list": ("[]", "train.json: no questions"),
    "data missing": ("{}", 'train.json: "data" is missing or not a list'),
    "no questions": ('{"data": []}', "train.json: no questions"),
    "no paragraphs": ('{"data": [{}]}', 'train.json, entry 1: "paragraphs" is missing or not a list'),
    "context missing": (data({"context": None}), 'entry 1, paragraph 1: "context" is missing or not a string'),
    "questions an object": (data({"qas": {}}), 'entry 1, paragraph 1: "qas" is missing or not a list'),
    "question a string": (data({"qas": ["谁"]}), "entry 1, paragraph 1, question 1: expected a JSON object"),
    "question missing": (data(question=None), 'question 1: "question" is missing or not a string'),
    "id a fraction": (data(id=1.5), 'question 1: "id" is missing or not a string'),
    "second entry": (
        json.dumps({"data": [json.loads(data())["data"][0], {}]}),
        'entry 2: "paragraphs" is missing or not a list',
    ),
    "id missing": (data(id=None), 'question 1: "id" is missing or not a string'),
    "answers missing": (data(answers=None), 'question 1: "answers" is missing, expected [{"text": ANSWER}, ...]'),
    "one answer": (
        data(answers=None, answer="何"),
        'question 1: "answers" is missing, but there is an "answer", ',
    ),
    "answer a string": (data(answers=["何"]), 'question 1: "answers" is a list of strings, expected [{"text": ANSWER}'),
    "answer without text": (data(answers=[{}]), 'question 1: "answers" has another form, expected [{"text": ANSWER}'),
    "answers in an object": (data(answers={"text": "何"}), 'question 1: "answers" has another form, expected'),
    "no answer": (data(answers=[]), "paragraph 1, question 1: has no answer, expected at least one"),
    "no answer, as in SQuAD 2.0": (
        data(answers=[], is_impossible=True),
        "question 1: has no answer (is_impossible, as in SQuAD 2.0), expected one; leave such questions out with: jq",
    ),
    "blank question": (data(question=" "), 'paragraph 1, question 1: "question" is blank'),
    "blank context": (data({"context": "\u3000"}), 'paragraph 1, question 1: "context" is blank'),
    "line of another form": (
        f'{json.dumps(FLAT)}\n{{"id": 1}}\n',
        'train.json, line 1: "paragraphs" is missing or not',
    ),
    "line without an id": (json.dumps(FLAT | {"id": None}), 'train.json, line 1: "id" is missing or not a string'),
    "CMRC 2018's own form": (
        json.dumps([{"context_id": "1", "context_text": "何川", "qas": [{"query_id": "1", "query_text": "谁"}]}]),
        "train.json, entry 1: \"paragraphs\" is missing or not a list; this is CMRC 2018's own form; expected SQuAD's",
    ),
    "DuReader 2.0": (
        json.dumps({"documents": [], "question": "谁", "question_id": 1, "answers": ["何"]}),
        'train.json: "data" is missing or not a list; this is the form of DuReader 2.0; expected that of DuReader-robu',
    ),
    "export of doccano": (
        json.dumps({"id": 1, "text": "何川", "label": [[0, 1, "姓"]]}),
        'train.json: "data" is missing or not a list; this looks like an export of doccano',
    ),
}
TRAINING = (
    pick(bad_configs(CONFIG), *CONFIGS)
    | {f"file: {name}": ({"train.json": content}, message) for name, (content, message) in FILES.items()}
    | {
        "unknown head": (
            {"config.json": json.dumps(CONFIG | {"head": "biaffine"})}, "config.json: head: should be"
        ),
        "stride beyond the window": (
            {"config.json": json.dumps(CONFIG | {"max_length": 100, "stride": 80})},
            "config.json: stride 80 is more than max_length - max_question_length - 3 - max_answer_tokens",
        ),
        "no answer in its context": (
            {"train.json": data(answers=[{"text": "江"}])}, "train.json: no question has an answer in its context"
        ),
        "no room for an answer": (
            {"config.json": json.dumps(CONFIG | {"max_answer_tokens": 0})}, "config.json: max_answer_tokens: should be"
        ),
    }
)  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


class TestWrongInput(WrongInputTests):
    task = Path(__file__).resolve().parents[1]
    config: dict[str, Any] = CONFIG | {"max_length": 256, "stride": 128}


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (data(), "pred.json: a file of questions, expected answers by id (are gold and predictions swapped?)"),
        ("[]", "pred.json: expected a JSON object"),
        ('{"1": 1}', "pred.json: the answer of '1' is not a string"),
        ('{"2": "何"}', "pred.json: has none of the ids of dev.json"),
    ],
)
def test_scoring(predictions, message, folder, refused):
    write(folder, {"pred.json": predictions})
    assert message in refused(evaluate.main, "--gold", folder / "dev.json", "--predictions", folder / "pred.json")


def test_gold_and_predictions_swapped(folder, refused):
    write(folder, {"pred.json": '{"1": "何"}'})
    error = refused(evaluate.main, "--gold", folder / "pred.json", "--predictions", folder / "dev.json")
    assert error == 'pred.json: "data" is missing or not a list'


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_the_n_best_need_a_file_of_their_own(folder, refused, without_tensorflow, trained):
    for both in ("-", folder / "out.json"):
        error = refused(
            predict.main, "--model", trained, "--input", folder / "dev.json", "--output", both, "--n-best", both,
        )  # fmt: skip
        assert error.endswith("is also --output; expected another name")


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_the_n_best_need_a_folder(folder, refused, without_tensorflow, trained):
    error = refused(
        predict.main, "--model", trained, "--input", folder / "dev.json", "--output", folder / "out.json",
        "--n-best", folder / "none" / "best.json",
    )  # fmt: skip
    assert error.startswith("none/best.json: no such folder")


def test_checking_a_submission_against_a_broken_input(folder, refused):
    write(folder, {"test.json": "{}\n"})
    error = refused(check_submission.main, "--input", folder / "test.json", "--predictions", folder / "dev.json")
    assert error == 'test.json: "data" is missing or not a list'


def test_heuristics_of_a_broken_input(folder, refused):
    write(folder, {"test.json": "{}\n"})
    arguments = ["--method", "first", "--input", folder / "test.json", "--output", folder / "out.json"]
    assert refused(heuristics.main, *arguments) == 'test.json: "data" is missing or not a list'
