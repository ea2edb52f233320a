"""Reads and checks SQuAD-like files of questions, and files of answers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json, read_values
from common.forms import origin

# Every question has to have an answer, because a model always gives one.
LEAVE_OUT = (
    "leave such questions out with: jq '.data[].paragraphs[].qas |= map(select(.is_impossible | not))' FILE > NEW"
)
# Keys of other published forms -> what such a file is.
OTHER_FORMS = {
    "context_text": "CMRC 2018's own form; expected SQuAD's, which CMRC 2018 offers as squad-style-data",
    "documents": "the form of DuReader 2.0; expected that of DuReader-robust or SQuAD",
}


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

    A file may also have one question with its context on each line, or a list of such questions, as Hugging Face writes
    them. They count as one entry. If the file is `labelled`, each question must have a list of answers. Otherwise
    answers are ignored.

    Raises UserError if something is missing or has another type, and if a question of a labelled file has no answer, or
    it or its context is blank. The message names the file and the place in it.
    """
    entries: list[list[Question]] = []
    values, unit = read_values(path), "line"
    if len(values) == 1 and not _is_flat(values[0]):
        values, unit = values[0] if isinstance(values[0], list) else _list(values[0], "data", path), "entry"
    if values and all(map(_is_flat, values)):
        places = [f"{path}, {unit} {number}" for number in range(1, len(values) + 1)]
        contexts = [_string(item, "context", place) for item, place in zip(values, places, strict=True)]
        entries = [[_question(*row, labelled) for row in zip(values, contexts, places, strict=True)]]
    else:
        entries = [list(_in_entry(entry, f"{path}, {unit} {i}", labelled)) for i, entry in enumerate(values, start=1)]
    if not any(entries):
        raise UserError(f"{path}: no questions")
    return entries


def _is_flat(record: Any) -> bool:
    return isinstance(record, dict) and "context" in record and "paragraphs" not in record


def _in_entry(entry: Any, place: str, labelled: bool) -> Iterator[Question]:
    for j, paragraph in enumerate(_list(entry, "paragraphs", place), start=1):
        inside = f"{place}, paragraph {j}"
        context = _string(paragraph, "context", inside)
        for k, item in enumerate(_list(paragraph, "qas", inside), start=1):
            yield _question(item, context, f"{inside}, question {k}", labelled)


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


def _question(item: Any, context: str, place: str, labelled: bool) -> Question:
    if isinstance(item, dict) and type(item.get("id")) is int:
        item = item | {"id": str(item["id"])}
    question, name = _string(item, "question", place), _string(item, "id", place)
    if not labelled:
        return Question(name, question, context, ())
    for key, text in (("question", question), ("context", context)):
        if not text.strip():
            raise UserError(f'{place}: "{key}" is blank')
    answers = _answers(item, place)
    if item.get("is_impossible") is True:
        raise UserError(f"{place}: has no answer (is_impossible, as in SQuAD 2.0), expected one; {LEAVE_OUT}")
    if not answers:
        raise UserError(f"{place}: has no answer, expected at least one")
    return Question(name, question, context, answers)


def _answers(item: dict[str, Any], place: str) -> tuple[str, ...]:
    """Return the answers of a question: SQuAD's list of objects, or Hugging Face's object of lists."""
    match item.get("answers"):
        case {"text": [*answers]} if all(isinstance(answer, str) for answer in answers):
            return tuple(answers)
        case [*answers] if all(isinstance(answer, dict) and isinstance(answer.get("text"), str) for answer in answers):
            return tuple(answer["text"] for answer in answers)
        case [*answers] if all(isinstance(answer, str) for answer in answers):
            found = "is a list of strings"
        case None:
            found = "is missing" + (', but there is an "answer"' if "answer" in item else "")
        case _:
            found = "has another form"
    raise UserError(f'{place}: "answers" {found}, expected [{{"text": ANSWER}}, ...]')


def _list(value: Any, key: str, place: str | Path) -> list:
    return _item(value, key, list, place)


def _string(value: Any, key: str, place: str) -> str:
    return _item(value, key, str, place)


def _item(value: Any, key: str, kind: type, place: str | Path) -> Any:
    if not isinstance(value, dict):
        raise UserError(f'{place}: expected a JSON object with "{key}"')
    if isinstance(value.get(key), kind):
        return value[key]
    form = next((f"; this is {form}" for name, form in OTHER_FORMS.items() if name in value), origin(value))
    raise UserError(f'{place}: "{key}" is missing or not a {"string" if kind is str else "list"}{form}')
