"""The labels, and the lines of official DuIE 2.0 files.

A line is `{"text": ..., "spo_list": [TRIPLE, ...]}`. A triple is a dict with the keys `predicate`, `subject`,
`subject_type`, `object` and `object_type`. The last two are dicts with the same keys, the slots. One slot is `@value`.
DuIE 1.0 and CMeIE have strings there instead. They are read as dicts with `@value` alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.cli import raise_first
from common.files import read_submission_lines
from common.forms import origin


@dataclass(frozen=True)
class Predicate:
    """A line of the schema: a predicate, the type of its subject, and the type of each slot of its object."""

    name: str
    subject_type: str
    object_types: dict[str, str]


Schema = dict[str, Predicate]  # by name, or by name and types if several have the same name


@dataclass(frozen=True)
class Labels:
    """The labels of pairs of spans: first those of relations, then those of ties.

    A relation joins a subject to a slot of its object. A tie joins the `@value` of an object to another of its slots,
    and so tells which slots belong together. Both have labels (key of the schema, slot), but ties have none for
    `@value`.
    """

    schema: Schema

    @cached_property
    def relations(self) -> list[tuple[str, str]]:
        return [(key, slot) for key, predicate in self.schema.items() for slot in predicate.object_types]

    @cached_property
    def ties(self) -> list[tuple[str, str]]:
        return [(key, slot) for key, slot in self.relations if slot != "@value"]

    @cached_property
    def relation_id(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(self.relations)}

    @cached_property
    def tie_id(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(self.ties, start=len(self.relations))}

    @cached_property
    def are_values(self) -> list[bool]:
        """Tell for each label whether it is that of relations to an `@value`."""
        return [slot == "@value" for _, slot in (*self.relations, *self.ties)]

    def __len__(self) -> int:
        return len(self.relations) + len(self.ties)


def find_predicate(schema: Schema, triple: dict[str, Any]) -> str | None:
    """Return the key of an official triple's predicate in the schema, or None if it is not there.

    Types decide only if the schema has several predicates of this name. A type that the triple does not state fits all.
    If several predicates fit, the one with exactly the slots of the triple is taken.
    """
    name = triple["predicate"]
    if name in schema:
        return name
    subject_type, given = triple.get("subject_type"), triple.get("object_type")
    given = given if isinstance(given, dict) else {}
    fitting = [
        key
        for key, predicate in schema.items()
        if predicate.name == name
        and subject_type in (None, predicate.subject_type)
        and given.items() <= predicate.object_types.items()
    ]
    if len(fitting) > 1:
        fitting = [key for key in fitting if schema[key].object_types.keys() == given.keys()]
    return fitting[0] if len(fitting) == 1 else None


def read_records(path: str | Path, labelled: bool = True, schema: Schema | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of a file of official lines. Raises UserError, with file and line, if one is wrong.

    Args:
        path: the file, plain or zipped.
        labelled: whether a record must have a `spo_list`.
        schema: if given, the predicates and slots of all triples must be in it.
    """
    for number, record in read_submission_lines(path):
        where = f"{path}, line {number}"
        if isinstance(record, dict) and isinstance(record.get("spo_list"), list):
            for triple in record["spo_list"]:
                unfold(triple, ("object", "object_type"))
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


def schema_faults(triple: dict[str, Any], schema: Schema) -> Iterator[str]:
    """Yield a message for a well-formed triple's predicate or slots that the schema lacks."""
    name, key = triple["predicate"], find_predicate(schema, triple)
    if key is None:
        known = ", ".join(f"{p.subject_type!r} {p.object_types}" for p in schema.values() if p.name == name)
        given = f'"subject_type" {triple.get("subject_type")!r} and "object_type" {triple.get("object_type")}'
        types = f"{given} do not choose one of {known}"
        yield f"predicate {name!r}: {types} in the schema" if known else f"predicate {name!r} is not in the schema"
        return
    for slot in triple["object"]:
        if slot not in schema[key].object_types:
            yield f"predicate {name!r} has no slot {slot!r} in the schema"


def _triple_faults(triple: Any) -> Iterator[str]:
    if not isinstance(triple, dict):
        yield 'a triple in "spo_list" is not a JSON object'
        return
    for key in ("predicate", "subject"):
        if not isinstance(triple.get(key), str):
            yield f'"{key}" of a triple is missing or not a string'
    if not is_string_dict(triple.get("object")):
        yield '"object" of a triple is missing or not an object of strings like {"@value": "..."}'


def unfold(item: Any, keys: Iterable[str]) -> None:
    """Replace each string under these keys of a parsed object by a dict with `@value` alone."""
    for key in keys if isinstance(item, dict) else ():
        if isinstance(item.get(key), str):
            item[key] = {"@value": item[key]}


def is_string_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
