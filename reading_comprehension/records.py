"""Reads and checks SQuAD-like files of questions, and files of answers."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json


@dataclass(frozen=True)
class Question:
    """A question about a context."""

    id: str
    question: str
    context: str
    answers: tuple[str, ...]  # as annotated; empty if the file has no labels


def read_questions(path: str | Path, labelled: bool = True) -> list[Question]:
    """Read all questions of a file, see `read_entries`."""
    return [question for entry in read_entries(path, labelled) for question in entry]


def read_entries(path: str | Path, labelled: bool = True) -> list[list[Question]]:
    """Read the questions of each entry of a file's `data`. An id that is a whole number is turned into a string.

    If the file is `labelled`, each question must have a list of answers. Otherwise answers are ignored.

    Raises UserError if something is missing or has another type. The message names the file and the place in it.
    """
    entries: list[list[Question]] = []
    for i, entry in enumerate(_list(read_json(path), "data", path), start=1):
        entries.append([])
        for j, paragraph in enumerate(_list(entry, "paragraphs", f"{path}, entry {i}"), start=1):
            place = f"{path}, entry {i}, paragraph {j}"
            context = _string(paragraph, "context", place)
            for k, item in enumerate(_list(paragraph, "qas", place), start=1):
                entries[-1].append(_question(item, context, labelled, f"{place}, question {k}"))
    if not any(entries):
        raise UserError(f"{path}: no questions")
    return entries


def read_predictions(path: str | Path) -> dict[str, str]:
    """Read the answers by id from a plain or zipped file. Raise UserError if it has another form."""
    predictions = read_json(path)
    if isinstance(predictions, dict) and "data" in predictions:
        raise UserError(f"{path}: a file of questions, expected answers by id (are gold and predictions swapped?)")
    if not isinstance(predictions, dict):
        raise UserError(f'{path}: expected a JSON object {{"id": "answer", ...}}')
    for name, answer in predictions.items():
        if not isinstance(answer, str):
            raise UserError(f"{path}: the answer of {name!r} is not a string")
    return predictions


def check_ids(questions: list[Question], path: str | Path) -> None:
    """Raise UserError if two questions have the same id, because answers are looked up by id."""
    for name, times in Counter(question.id for question in questions).items():
        if times > 1:
            raise UserError(f"{path}: {times} questions have the id {name!r}, expected a different id for each")


def _question(item: Any, context: str, labelled: bool, place: str) -> Question:
    if isinstance(item, dict) and type(item.get("id")) is int:
        item = item | {"id": str(item["id"])}
    question, name = _string(item, "question", place), _string(item, "id", place)
    answers = _list(item, "answers", place) if labelled else []
    return Question(name, question, context, tuple(_string(answer, "text", f"{place}, answer") for answer in answers))


def _list(value: Any, key: str, place: str | Path) -> list:
    return _item(value, key, list, place)


def _string(value: Any, key: str, place: str) -> str:
    return _item(value, key, str, place)


def _item(value: Any, key: str, kind: type, place: str | Path) -> Any:
    if not isinstance(value, dict):
        raise UserError(f'{place}: expected a JSON object with "{key}"')
    if not isinstance(value.get(key), kind):
        raise UserError(f'{place}: "{key}" is missing or not a {"string" if kind is str else "list"}')
    return value[key]
