"""Reads a schema: the predicates, the type of the subject of each, and the types of the slots of its object."""

from collections import Counter
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_jsonl
from records import Predicate, Schema, is_string_dict, unfold


def read_schema(path: str | Path) -> Schema:
    """Read a `schema.json` (one JSON object per line), in the order of the file.

    A name may come several times, with other types. Raises UserError, with file and line, for a malformed line, a
    predicate that is defined twice with the same types, or an empty file.
    """
    predicates: dict[int, Predicate] = {}  # by line
    for number, line in read_jsonl(path):
        unfold(line, ("object_type",))
        if not _is_predicate(line):
            raise UserError(
                f'{path}, line {number}: expected {{"predicate": NAME, "subject_type": TYPE, '
                f'"object_type": {{"@value": TYPE, ...}}}}'
            )
        predicate = Predicate(line["predicate"], line["subject_type"], line["object_type"])
        for first, other in predicates.items():
            if predicate == other:
                raise UserError(
                    f"{path}, line {number}: predicate {predicate.name!r} is defined a second time, as on line {first}"
                )
        predicates[number] = predicate
    names = Counter(predicate.name for predicate in predicates.values())
    return {
        p.name if names[p.name] == 1 else f"{p.subject_type} {p.name} {p.object_types}": p for p in predicates.values()
    }


def _is_predicate(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and isinstance(line.get("predicate"), str)
        and isinstance(line.get("subject_type"), str)
        and is_string_dict(line.get("object_type"))
        and "@value" in line["object_type"]
    )
