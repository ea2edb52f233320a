"""What a line of a file of similar questions is.

A line is one of these:

- a group: `{"text": QUESTION, "synonyms": [QUESTION, ...]}`, as SimBERT has them;
- a pair in a table: two questions and, optionally, 1 if they are similar or 0 if not, with tabs or commas between them.
  The first line may name the columns. Without a third column, pairs are similar;
- a pair in JSON: `{"sentence1": QUESTION, "sentence2": QUESTION, "label": "1"}`, as CLUE has them.

The content of a file says which of them it has. Its name does not matter.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError
from common.files import read_lines
from common.parsing import filled, parse_lines

PAIR = "two questions and, optionally, 0 or 1, with tabs or commas between them"
SIMILAR = {"1": True, "1.0": True, "0": False, "0.0": False}
# The names of the two questions of a pair in JSON.
KEYS = [(f"{name}{a}", f"{name}{b}") for name in ("sentence", "text", "question", "query") for a, b in ("12", "ab")]
KEYS += [("text_a", "text_b"), ("q1", "q2")]
COLUMN_NAMES = {"id", "idx", "index", "label", "score", *chain.from_iterable(KEYS)}


class Row(NamedTuple):
    """A pair: two questions, and whether they are similar."""

    first: str
    second: str
    similar: bool


def read_rows(path: str | Path) -> Iterator[Row]:
    """Yield the pairs of a file. Raises UserError for any other line, naming the file and the line."""
    for number, record in read_records(path):
        if not isinstance(record, Row):
            raise UserError(f"{path}, line {number}: expected {PAIR}, found a group of questions")
        yield record


def read_records(path: str | Path) -> Iterator[tuple[int, Row | list[str]]]:
    """Yield (line number, pair or questions of a group) of a file.

    Raises UserError, with file and line, if a line is neither.
    """
    lines = read_lines(path)
    first = next(lines)
    lines = chain([first], lines)
    if re.match(r"""\s*[\[{]\s*(["'\[\]{}]|$)""", first[1]):
        for number, record in parse_lines(lines, str(path)):
            yield number, _from_json(record, f"{path}, line {number}")
    else:
        for number, columns in _table(lines, "\t" in first[1], path):
            if number > 1 or not COLUMN_NAMES.issuperset(column.lower() for column in columns):
                yield number, _from_columns(columns, f"{path}, line {number}")


def _table(lines: Iterable[tuple[int, str]], has_tabs: bool, path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, columns without white space at their ends). Only between commas may columns be quoted."""
    lines = filled(lines, str(path), PAIR)
    if has_tabs:
        for number, line in lines:
            yield number, [column.strip() for column in line.split("\t")]
        return
    rows = csv.reader((line for _, line in lines), strict=True)
    try:
        for columns in rows:
            yield rows.line_num, [column.strip() for column in columns]
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: expected {PAIR}, found a broken line ({error})") from None


def _from_columns(columns: list[str], where: str) -> Row:
    match columns:
        case [first, second, *label] if first and second and (not label or (len(label) == 1 and label[0] in SIMILAR)):
            return Row(first, second, not label or SIMILAR[label[0]])
        case [number, _, _, *_] if number.isdigit() or number.lower() in COLUMN_NAMES:
            found = f"{len(columns)} columns; if the first one is an id, leave it out (with tabs: cut -f 2- FILE > NEW)"
        case [first, second, label] if first and second:
            found = f"{label!r} in place of 0 or 1"
        case [_, _] | [_, _, _]:
            found = "a blank column"
        case _:
            found = f"{len(columns)} column{'s' * (len(columns) != 1)}"
    raise UserError(f"{where}: expected {PAIR}, found {found}")


def _from_json(record: Any, where: str) -> Row | list[str]:
    found: Row | list[str]
    names = next((names for names in KEYS if isinstance(record, dict) and record.keys() >= set(names)), None)
    match record:
        case {"text": str(text), "synonyms": [*synonyms]} if all(isinstance(other, str) for other in synonyms):
            found = [question.strip() for question in (text, *synonyms)]
        case _ if names:
            first, second, label = (record.get(name) for name in (*names, "label"))
            if not (isinstance(first, str) and isinstance(second, str) and str(label) in SIMILAR):
                raise UserError(f'{where}: expected strings "{names[0]}" and "{names[1]}", and 0 or 1 as "label"')
            found = Row(first.strip(), second.strip(), SIMILAR[str(label)])
        case _:
            raise UserError(f'{where}: expected {{"text": question, "synonyms": [question, ...]}}')
    if not all(found[:2] if isinstance(found, Row) else found):
        raise UserError(f"{where}: a blank question")
    return found
