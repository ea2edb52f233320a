"""Gold that no prediction can match is counted before a training, and when predictions are scored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evaluate
import train
from common.testing.runs import count_out_of_reach, write_tiny_config
from model import HEADS
from reach import print_reach
from records import Question, read_questions
from scoring import occurs, question_scores

CONTEXT = "何川在云汀大学，读书。"


def question(*answers, context=CONTEXT, number=1):
    return Question(str(number), "何川在哪里", context, answers)


def out_of_reach(questions, tokenizer, capsys, config):
    """Return how many questions are out of reach, of how many, and what is written to standard error."""
    print_reach(questions, train.read_features("dev.json", questions, tokenizer, config), config)
    output = capsys.readouterr()
    return *count_out_of_reach(output.out, "questions"), output.err


@pytest.mark.parametrize("head", HEADS)
def test_nothing_of_the_demo_set_is(head, demo, tokenizer, make_settings, capsys):
    questions = read_questions(demo / "dev.json")
    assert out_of_reach(questions, tokenizer, capsys, make_settings(head=head))[0] == 0


@pytest.mark.parametrize("head", HEADS)
def test_answers_that_no_context_has(head, tokenizer, make_settings, capsys):
    questions = [
        question("云汀大学"),
        question(" 云汀大学", number=2),
        question("雲汀大學", number=3),
        question(number=4),
    ]
    config = make_settings(head=head)
    lost, total, warning = out_of_reach(questions, tokenizer, capsys, config)
    assert (lost, total) == (3, 4)
    lines = warning.splitlines()
    assert lines[0].startswith(f"warning: {config.dev_file}: 3 of 4 questions (75.00 %) are out of reach")
    assert lines[1].startswith("  2 not in the text")
    assert lines[1].endswith(": id 3 '雲汀大學', id 4 ''")
    assert lines[2] == "  1 white space at an edge, where no prediction has any: id 2 ' 云汀大学'"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("asked", "lost"),
    [
        (question("没有", "云汀大学"), 0),  # one of the answers is enough
        (question("云汀大学，"), 0),  # the metric drops punctuation
        (question("abc", context="何川说 ABC。"), 0),  # and ignores case
        (question("ａｂｃ", context="何川说 ABC。"), 1),  # but not width
        (question("云汀 大学"), 1),  # nor white space
        (question("云汀大学，读书"), 1),  # longer than max_answer_tokens
        (question("云汀大学", context="何川，" * 99 + "云汀大学"), 0),  # in the last window
        (question("19", context="在1999年"), 1),  # part of a token
        (question("读书", "读书。", context="读书。" * 9), 0),
    ],
)
def test_kinds(asked, lost, head, tokenizer, make_settings, capsys):
    config = make_settings(head=head, max_length=32, stride=8, max_question_length=8, max_answer_tokens=6)
    assert out_of_reach([asked], tokenizer, capsys, config)[:2] == (lost, 1)


@given(st.text("aA何，", max_size=6), st.text("aA何，", max_size=4))
def test_an_answer_occurs_if_some_part_of_the_text_scores(text, answer):
    parts = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    assert occurs(answer, text) == any(question_scores([answer], part) == (1, True) for part in parts)


def test_training_warns_before_it_imports_tensorflow(tmp_path, call, capsys, without_tensorflow):
    for name, answer in (("train", "云汀大学"), ("dev", "雲汀大學")):
        item = {"question": "何川在哪里", "id": "7", "answers": [{"text": answer, "answer_start": -1}]}
        data = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": [item]}]}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ModuleNotFoundError):
        call(train.main, "--config", write_tiny_config(tmp_path), "--output", tmp_path / "run")
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        f"{tmp_path / 'train.json'}:", "  answers: 1", f"{tmp_path / 'dev.json'}:", "  answers: 1",
        "  answers lost: not in the context: 1", "  questions left out: no answer located: 1",
        "  out of reach: 1 of 1 questions (100.00 %)", "1 questions to train on in 1 windows, 1 dev",
    ]  # fmt: skip
    assert output.err.startswith(f"warning: {tmp_path / 'dev.json'}: 1 of 1 questions (100.00 %) are out of reach")


def test_evaluation_counts_them(tmp_path, call, capsys):
    gold, predictions = tmp_path / "gold.json", tmp_path / "answers.json"
    answers = [{"text": text, "answer_start": -1} for text in ("云汀大学", "雲汀大學")]
    item = {"question": "何川在哪里", "id": "7", "answers": answers}
    data = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": [item]}]}]}
    gold.write_text(json.dumps(data), encoding="utf-8")
    predictions.write_text(json.dumps({"7": "云汀大学"}), encoding="utf-8")
    call(evaluate.main, "--gold", gold, "--predictions", predictions)
    output = capsys.readouterr()
    assert json.loads(output.out) == {"F1": 100.0, "EM": 100.0, "TOTAL": 1, "SKIP": 0}
    assert output.err == (
        f"note: {gold}: 1 of 2 gold strings (50.00 %) equal no part of their text, so no span matches them; "
        "first: id 7 '雲汀大學'\n"
    )
