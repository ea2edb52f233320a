"""What a CLUENER 2020 line is, and what the labels are.

A line is `{"text": ..., "label": {LABEL: {STRING: [[FIRST, LAST], ...], ...}, ...}}`. It gives the strings that are
entities, and the first and last character of each place where they stand. A line to predict needs only `text`, and may
have other keys, such as `id`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.cli import UserError, raise_first
from common.files import read_jsonl, read_submission_lines
from common.forms import origin


def read_schema(path: str | Path) -> list[str]:
    """Read the labels, one `{"label": NAME}` per line. Raise UserError, with file and line, if a line is faulty."""
    labels: list[str] = []
    for number, line in read_jsonl(path):
        if not isinstance(line, dict) or not isinstance(line.get("label"), str):
            raise UserError(f'{path}, line {number}: expected {{"label": NAME}}')
        if line["label"] in labels:
            raise UserError(f"{path}, line {number}: label {line['label']!r} is defined a second time")
        labels.append(line["label"])
    return labels


def read_records(path: str | Path, labelled: bool = True, labels: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of a file.

    Args:
        path: the file, plain or zipped.
        labelled: whether the records must have a `label`.
        labels: those that a record may have. If this is None, it may have any.

    Raises:
        UserError: if a record is faulty, with file and line.
    """
    for number, record in read_submission_lines(path):
        raise_first(record_faults(record, labelled, labels), f"{path}, line {number}")
        yield record


def record_faults(record: Any, labelled: bool, labels: list[str] | None) -> Iterator[str]:
    """Yield a message for whatever keeps a parsed line from being a record.

    Args:
        record: the line.
        labelled: whether it must have a `label`.
        labels: those that it may have. If this is None, it may have any.
    """
    if not isinstance(record, dict):
        yield 'expected a JSON object with "text" and "label"'
    elif not isinstance(record.get("text"), str):
        yield f'"text" is missing or not a string{origin(record)}'
    elif labelled and not _is_nested(record.get("label")):
        expected = '"label" is missing or not like {"name": {"何川": [[0, 1]]}}'
        yield expected + (origin(record) or " (is this a file without labels?)")
    elif labelled:
        for label, string, first, last in entities(record):
            if not string or first < 0 or record["text"][first : last + 1] != string:
                yield f"{label} {string!r} is not at characters {first} to {last} of the text"
            if labels is not None and label not in labels:
                yield f"label {label!r} is not in the schema"


def entities(record: dict[str, Any]) -> Iterator[tuple[str, str, int, int]]:
    """Yield the label, string, first and last character of every entity of a record.

    >>> list(entities({"text": "何川在", "label": {"name": {"何川": [[0, 1]]}}}))
    [('name', '何川', 0, 1)]
    """
    for label, strings in record["label"].items():
        for string, places in strings.items():
            for first, last in places:
                yield label, string, first, last


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(strings, dict) and all(_is_places(places) for places in strings.values())
        for strings in value.values()
    )


def _is_places(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(place, list) and [type(at) for at in place] == [int, int] for place in value)
    )
