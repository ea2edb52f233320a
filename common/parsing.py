"""Turns the bytes of files into lines of text and JSON values.

An error is a `UserError` that names the file and the line, says what was found, and how to convert it if that is known.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from common.cli import UserError
from common.forms import array_on_a_line, is_python, no_data, other_encoding, other_line, stopped


def decoded(lines: Iterable[bytes], name: str, expected: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its line end).

    Args:
        lines: the lines of a file.
        name: the file's name for messages.
        expected: what each line should hold, for messages.

    Raises:
        UserError: if a line is not UTF-8, or if there is none.
    """
    number = 0
    for number, line in enumerate(lines, start=1):
        if number == 1:
            _check_is_data(line, name)
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: not UTF-8 (byte {error.start + 1}){_cure(line, error)}") from None
        yield number, text
    if number == 0:
        raise UserError(f"{name}: empty file, expected {expected} per line")


def parse_lines(lines: Iterable[tuple[int, str]], name: str) -> Iterator[tuple[int, Any]]:
    """Parse a JSON value on each numbered line. `name` names the file in messages.

    Raises UserError for a line that is blank or not JSON. Blank lines at the end are accepted.
    """
    for number, text in filled(lines, name, "a JSON value"):
        try:
            value = _loads(text)
        except json.JSONDecodeError as error:
            what = (other_line(text) if number == 1 else "") or stopped(text, error, "line")
            raise UserError(f"{name}, line {number}: not JSON ({error.msg}, column {error.colno}){what}") from None
        except (ValueError, RecursionError) as error:  # see `_loads`
            raise UserError(f"{name}, line {number}: not readable as JSON ({error})") from None
        if number == 1 and (what := array_on_a_line(value)):
            raise UserError(f"{name}, line 1: {what}")
        yield number, value


def filled(lines: Iterable[tuple[int, str]], name: str, expected: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines, without blank ones at the end. Raises UserError for any other blank line.

    Args:
        lines: numbered from 1.
        name: the name of their file for messages.
        expected: what each line should hold, for messages.
    """
    blank = 0
    for number, text in lines:
        if not text.strip():
            blank = blank or number
        elif blank:
            break
        else:
            yield number, text
    if blank and (blank == 1 or text.strip()):  # there is no line but blank ones, or another one follows
        raise UserError(f"{name}, line {blank}: blank line, expected {expected}")


def parse_value(content: bytes, name: str) -> Any:
    """Parse the content of a file that holds one JSON value. Raises UserError, in which `name` names the file."""
    _check_is_data(content, name)
    try:
        text = content.decode("utf-8-sig")
        return _loads(text)
    except json.JSONDecodeError as error:
        where = f"{name}, line {error.lineno}"
        if is_python(text):
            what = "; this is Python's notation with single quotes (write it with json.dump)"
        elif error.msg == "Extra data" and is_json(content.partition(b"\n")[0]):
            what = "; these are JSON lines, expected one JSON value"
        else:
            what = stopped(text, error, "file")
        raise UserError(f"{where}: not JSON ({error.msg}, column {error.colno}){what}") from None
    except UnicodeDecodeError as error:
        before, line = content[: error.start].split(b"\n"), content[error.start :].partition(b"\n")[0]
        raise UserError(f"{name}, line {len(before)}: not UTF-8{_cure(before[-1] + line, error)}") from None
    except (ValueError, RecursionError) as error:  # see `_loads`
        raise UserError(f"{name}: not readable as JSON ({error})") from None


def is_json(text: bytes) -> bool:
    """Whether a text is one JSON value."""
    try:
        _loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def _check_is_data(line: bytes, name: str) -> None:
    if what := no_data(line):
        raise UserError(f"{name}, line 1: not data but {what}")


def _cure(line: bytes, error: UnicodeDecodeError) -> str:
    return "" if error.reason == "unexpected end of data" else other_encoding(line)


def _loads(text: str) -> Any:
    """Parse a JSON value.

    Raises ValueError for bad JSON, for a number that is too long, and for a key that an object has twice, where Python
    would keep the last value. Raises RecursionError for brackets that are nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"{key!r} twice in one object")
    return values
