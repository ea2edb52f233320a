"""The labels, and the lines of official DuIE 2.0 files.

A line is `{"text": ..., "spo_list": [TRIPLE, ...]}`. A triple is a dict with the keys `predicate`, `subject`,
`subject_type`, `object` and `object_type`. The last two are dicts with the same keys, the slots. One slot is `@value`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.cli import UserError, raise_first
from common.files import read_jsonl, read_submission_lines
from common.forms import origin


@dataclass(frozen=True)
class Predicate:
    """A line of the schema: a predicate, the type of its subject, and the type of each slot of its object."""

    name: str
    subject_type: str
    object_types: dict[str, str]


@dataclass(frozen=True)
class Labels:
    """The labels of pairs of spans: first those of relations, then those of ties.

    A relation joins a subject to a slot of its object. A tie joins the `@value` of an object to another of its slots,
    and so tells which slots belong together. Both have labels (predicate, slot), but ties have none for `@value`.
    """

    schema: dict[str, Predicate]

    @cached_property
    def relations(self) -> list[tuple[str, str]]:
        return [(name, slot) for name, predicate in self.schema.items() for slot in predicate.object_types]

    @cached_property
    def ties(self) -> list[tuple[str, str]]:
        return [(name, slot) for name, slot in self.relations if slot != "@value"]

    @cached_property
    def relation_id(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(self.relations)}

    @cached_property
    def tie_id(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(self.ties, start=len(self.relations))}

    def __len__(self) -> int:
        return len(self.relations) + len(self.ties)


def read_schema(path: str | Path) -> dict[str, Predicate]:
    """Read a `schema.json` (one JSON object per line) into predicates by name, in the order of the file.

    Raises UserError, with file and line, for a malformed line, a predicate that is defined twice or an empty file.
    """
    schema: dict[str, Predicate] = {}
    for number, line in read_jsonl(path):
        if not _is_predicate(line):
            raise UserError(
                f'{path}, line {number}: expected {{"predicate": NAME, "subject_type": TYPE, '
                f'"object_type": {{"@value": TYPE, ...}}}}'
            )
        name = line["predicate"]
        if name in schema:
            raise UserError(f"{path}, line {number}: predicate {name!r} is defined a second time")
        schema[name] = Predicate(name, line["subject_type"], line["object_type"])
    return schema


def read_records(
    path: str | Path, labelled: bool = True, schema: dict[str, Predicate] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the records of a file of official lines. Raises UserError, with file and line, if one is wrong.

    Args:
        path: the file, plain or zipped.
        labelled: whether a record must have a `spo_list`.
        schema: if given, the predicates and slots of all triples must be in it.
    """
    for number, record in read_submission_lines(path):
        where = f"{path}, line {number}"
        raise_first(record_faults(record, labelled), where)
        if schema:
            for triple in record["spo_list"]:
                raise_first(schema_faults(triple, schema), where)
        yield record


def record_faults(record: Any, labelled: bool = True) -> Iterator[str]:
    """Yield the reasons why the official scorer would refuse a parsed line. If not `labelled`, it needs only a text."""
    if not isinstance(record, dict):
        yield 'expected a JSON object with "text" and "spo_list"'
        return
    if not isinstance(record.get("text"), str):
        yield f'"text" is missing or not a string{origin(record)}'
    if not labelled:
        return
    if "spo_list" not in record:
        yield '"spo_list" is missing' + (origin(record) or " (is this a file without labels?)")
    elif not isinstance(record["spo_list"], list):
        yield '"spo_list" is not a list'
    else:
        for triple in record["spo_list"]:
            yield from _triple_faults(triple)


def schema_faults(triple: dict[str, Any], schema: dict[str, Predicate]) -> Iterator[str]:
    """Yield a message for a well-formed triple's predicate or slots that the schema lacks. Types are not compared."""
    name, slots = triple["predicate"], triple["object"]
    if name not in schema:
        yield f"predicate {name!r} is not in the schema"
        return
    for slot in slots:
        if slot not in schema[name].object_types:
            yield f"predicate {name!r} has no slot {slot!r} in the schema"


def _triple_faults(triple: Any) -> Iterator[str]:
    if not isinstance(triple, dict):
        yield 'a triple in "spo_list" is not a JSON object'
        return
    for key in ("predicate", "subject"):
        if not isinstance(triple.get(key), str):
            yield f'"{key}" of a triple is missing or not a string'
    if not _is_string_dict(triple.get("object")):
        yield '"object" of a triple is missing or not an object of strings like {"@value": "..."}'


def _is_predicate(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and isinstance(line.get("predicate"), str)
        and isinstance(line.get("subject_type"), str)
        and _is_string_dict(line.get("object_type"))
        and "@value" in line["object_type"]
    )


def _is_string_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
