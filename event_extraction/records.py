"""What an official DuEE 1.0 line is, and what the labels are.

A line is `{"text": ..., "id": ..., "event_list": [EVENT, ...]}`. An event is an object with `event_type`, `trigger`,
`trigger_start_index` and `arguments`. An argument is an object with `role`, `argument`, `argument_start_index` and
`alias`, a list of strings, which may be missing. An id that is a whole number is read as a string. Predictions have
only `id` and `event_list`. Their events have only `event_type` and `arguments`, and their arguments only `role` and
`argument`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError, raise_first
from common.files import read_jsonl, read_submission_lines
from common.forms import origin

Schema = dict[str, tuple[str, ...]]  # event type -> its roles
TRIGGER = ""  # the role of a trigger; no role of the schema has this name


@dataclass(frozen=True)
class Labels:
    """The labels of spans and links.

    A span is the trigger of an event type or an argument in one of its roles. So there is a label for each pair of an
    event type and a role, and the trigger counts as a role. A link from a trigger to an argument has the label of the
    argument.

    >>> Labels({"人生-死亡": ("时间", "死者")}).names
    [('人生-死亡', ''), ('人生-死亡', '时间'), ('人生-死亡', '死者')]
    """

    schema: Schema

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        """The (event type, role) of each label."""
        return [(name, role) for name, roles in self.schema.items() for role in (TRIGGER, *roles)]

    @cached_property
    def ids(self) -> dict[tuple[str, str], int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def trigger(self) -> np.ndarray:
        """For each label the label of its event type's trigger, int [labels]."""
        return np.array([self.ids[event_type, TRIGGER] for event_type, _ in self.names])

    @cached_property
    def arguments(self) -> list[int]:
        """The labels of arguments, which are all labels but those of triggers."""
        return [i for i, (_, role) in enumerate(self.names) if role != TRIGGER]

    def __len__(self) -> int:
        return len(self.names)


def read_schema(path: str | Path) -> Schema:
    """Read the event types and their roles from an `event_schema.json`, in the order of the file.

    The file has one JSON object on each line. Raises UserError if the file is empty, and with file and line if a line
    is malformed, or if an event type or a role is defined twice.
    """
    schema: Schema = {}
    for number, line in read_jsonl(path):
        if not _is_event_type(line):
            raise UserError(
                f'{path}, line {number}: expected {{"event_type": NAME, "role_list": [{{"role": NAME}}, ...]}}'
            )
        name = line["event_type"]
        roles = tuple(item["role"] for item in line["role_list"])
        if name in schema:
            raise UserError(f"{path}, line {number}: event type {name!r} is defined a second time")
        if len(set(roles)) < len(roles):
            raise UserError(f"{path}, line {number}: event type {name!r} has a role twice")
        schema[name] = roles
    return schema


def read_inputs(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file to predict, with `text` and `id`. Raises UserError for a malformed line."""
    return _read(path, "text", "id")


def read_labelled(path: str | Path, schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield the records of a file to learn from, with `text`, `id` and `event_list`.

    Their triggers and arguments are in the text where the offsets say, event types and roles are in the schema, and no
    id comes twice. Raises UserError, with file and line, for any other record.
    """
    first_line: dict[str, int] = {}
    for number, record in _numbered(path, "text", "id", "event_list"):
        first = first_line.setdefault(record["id"], number)
        if first != number:
            raise UserError(f"{path}, line {number}: id {record['id']!r} is already on line {first}")
        raise_first(chain(offset_faults(record), schema_faults(record, schema)), f"{path}, line {number}")
        yield record


def read_events(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file to score, with `id` and `event_list`.

    The file is plain or zipped. Raises UserError, with file and line, for a malformed line.
    """
    return _read(path, "id", "event_list")


def record_faults(record: Any, *keys: str) -> Iterator[str]:
    """Yield a message for each reason why a parsed line is no official record.

    `keys` are those of "text", "id" and "event_list" that the record must have.
    """
    if not isinstance(record, dict):
        names = " and ".join(f'"{key}"' for key in keys)
        yield f"expected a JSON object with {names}"
        return
    if "text" in keys and not isinstance(record.get("text"), str):
        yield f'"text" is missing or not a string{origin(record)}'
    if "id" in keys and type(record.get("id")) not in (str, int):
        yield '"id" is missing, or neither a string nor a whole number'
    if "event_list" not in keys:
        return
    if "event_list" not in record:
        yield '"event_list" is missing' + (origin(record) or " (is this a file without labels?)")
    elif not isinstance(record["event_list"], list):
        yield '"event_list" is not a list'
    else:
        for event in record["event_list"]:
            yield from _event_faults(event)


def offset_faults(record: dict[str, Any]) -> Iterator[str]:
    """Yield a message for each trigger and argument of a well-formed record that is not at its place in the text."""
    for event in record["event_list"]:
        for name, holder in [("trigger", event), *(("argument", argument) for argument in event["arguments"])]:
            string, start = holder.get(name), holder.get(f"{name}_start_index")
            if string is None or start is None:
                key = name if string is None else f"{name}_start_index"
                yield f'"{key}" of an event is missing (DuEE-fin has none; expected the form of DuEE 1.0)'
            elif not isinstance(string, str) or type(start) is not int:
                yield f'"{name}" of an event is not a string, or "{name}_start_index" is not a whole number'
            elif not string:
                yield f"an empty {name} of an event of type {event['event_type']!r}"
            elif start < 0 or record["text"][start : start + len(string)] != string:
                yield f"{name} {string!r} is not at character {start} of the text"


def schema_faults(record: dict[str, Any], schema: Schema) -> Iterator[str]:
    """Yield a message for each event type and role of a well-formed record that is not in the schema."""
    for event in record["event_list"]:
        name = event["event_type"]
        if name not in schema:
            yield f"event type {name!r} is not in the schema"
            continue
        for argument in event["arguments"]:
            if argument["role"] not in schema[name]:
                yield f"event type {name!r} has no role {argument['role']!r} in the schema"


def _read(path: str | Path, *keys: str) -> Iterator[dict[str, Any]]:
    for _, record in _numbered(path, *keys):
        yield record


def _numbered(path: str | Path, *keys: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, record in read_submission_lines(path):
        raise_first(record_faults(record, *keys), f"{path}, line {number}")
        yield number, record | {"id": str(record["id"])}


def _event_faults(event: Any) -> Iterator[str]:
    if not isinstance(event, dict) or not isinstance(event.get("event_type"), str):
        yield '"event_type" of an event is missing or not a string'
    elif not isinstance(event.get("arguments"), list):
        yield '"arguments" of an event is missing or not a list'
    else:
        for argument in event["arguments"]:
            if not _has_strings(argument, "role", "argument"):
                yield '"role" or "argument" of an argument is missing or not a string'
            elif not _is_string_list(argument.get("alias", [])):
                yield '"alias" of an argument is not a list of strings'


def _has_strings(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def _is_event_type(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and _is_name(line.get("event_type"))
        and isinstance(line.get("role_list"), list)
        and all(isinstance(item, dict) and _is_name(item.get("role")) for item in line["role_list"])
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_string_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
