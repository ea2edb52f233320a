"""The published forms of files of questions, and what is said of those that are not read."""

import json

import pytest

from common.cli import UserError
from records import Question, read_entries, read_questions

QUESTION = {"id": "1", "question": "卖什么", "answers": [{"text": "梨", "answer_start": 3}]}
FLAT = QUESTION | {"context": "何川卖梨"}
EXPECTED = Question("1", "卖什么", "何川卖梨", ("梨",))


def squad(**changes):
    return {"data": [{"paragraphs": [{"context": "何川卖梨", "qas": [QUESTION | changes]}]}]}


def lines(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.mark.parametrize(
    "content",
    [
        lines(squad()),
        json.dumps(squad(), indent=2),
        lines(squad(answers={"text": ["梨"], "answer_start": [3]})),
        lines(squad(id=1)),
        lines(FLAT),
        lines([FLAT]),
        json.dumps([FLAT], indent=2),
        lines({"version": "1", "data": [FLAT | {"answers": {"text": ["梨"], "answer_start": [3]}}]}),
        lines(squad()["data"]),
        "\ufeff" + lines(FLAT) + "\r\n\n",
    ],
)
def test_forms_of_a_question(content, tmp_path):
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert read_entries(tmp_path / "a.json") == [[EXPECTED]]


def test_questions_on_lines_are_one_entry(tmp_path):
    """So evaluate.py, which scores the first entry, scores all of them."""
    (tmp_path / "a.json").write_text(lines(FLAT, FLAT | {"id": 2, "answers": {"text": ["梨", "卖梨"]}}))
    assert read_entries(tmp_path / "a.json") == [[EXPECTED, Question("2", "卖什么", "何川卖梨", ("梨", "卖梨"))]]


def test_a_file_to_predict_needs_no_answers(tmp_path):
    hidden = {"id": "1", "question": "", "context": ""}
    (tmp_path / "a.json").write_text(lines(hidden, hidden | {"is_impossible": True, "answers": None}))
    assert read_questions(tmp_path / "a.json", labelled=False) == [Question("1", "", "", ())] * 2


SHARED = {
    "cmrc_original": "this is CMRC 2018's own form",
    "dup": "",  # only dev must not repeat an id
    "emptyctx": '"context" is blank',
    "emptyq": '"question" is blank',
    "hf_answers": "",
    "jsonl": "",
    "list_answers": '"answers" is a list of strings',
    "longq": "",
    "noid": '"id" is missing',
    "notin": "",  # train.py counts such answers
    "one_answer": '"answers" is missing, but there is an "answer"',
    "p": '"data" is missing',
    "squad2": "SQuAD 2.0",
}


def test_the_shared_files(shared):
    files = sorted((shared / "cases" / "reading_formats").glob("[!c]*.json")) + [
        shared / "cases" / "reading_formats" / "cmrc_original.json"
    ]
    assert {path.stem for path in files} == set(SHARED)
    for path in files:
        if message := SHARED[path.stem]:
            with pytest.raises(UserError, match=message):
                read_questions(path)
        else:
            assert read_questions(path)
