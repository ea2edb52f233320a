"""Check whether the DuIE 2.0 leaderboard would accept a prediction file.

    python relation_extraction/check_submission.py --input test1.json --predictions predictions.zip --schema schema.json

Each kind of problem is one line on standard error, with the first place that has it and the number of places.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from common.cli import check_arguments, run_command
from common.submission import Say, check_submission
from records import Predicate, Schema, find_predicate, read_records, record_faults, schema_faults
from schema import read_schema


def examine(record: Any, problem: Say, warning: Say, schema: Schema | None) -> int:
    """Report what is wrong with a parsed line, and return the number of its triples. It is 0 for a malformed line.

    Args:
        record: the parsed line, any JSON value.
        problem: called with each problem.
        warning: called with each warning.
        schema: the predicates. Without it only the form of the triples is checked.
    """
    faults = list(record_faults(record))
    if faults:
        for fault in faults:
            problem(fault)
        return 0
    for fault in record_problems(record, schema):
        problem(fault)
    for triple in record["spo_list"]:
        if "" in (triple["subject"], *triple["object"].values()):
            warning("an empty subject or object")
    return len(record["spo_list"])


def record_problems(record: dict[str, Any], schema: Schema | None) -> Iterator[str]:
    """Yield a message for each way in which a well-formed record's triples break the official form or the schema."""
    for triple in record["spo_list"]:
        name, slots = triple["predicate"], triple["object"]
        subject_type, object_type = triple.get("subject_type"), triple.get("object_type")
        if "@value" not in slots:
            yield f'"object" of {name!r} has no "@value"'
        if not isinstance(subject_type, str):
            yield f'"subject_type" of {name!r} is missing or not a string'
        if not isinstance(object_type, dict) or object_type.keys() != slots.keys():
            yield f'"object_type" of {name!r} is missing or has other slots than "object"'
        if schema is None:
            continue
        unknown = list(schema_faults(triple, schema))
        yield from unknown
        key = find_predicate(schema, triple)
        if key is not None and not unknown:
            yield from type_problems(triple, schema[key])


def type_problems(triple: dict[str, Any], predicate: Predicate) -> Iterator[str]:
    """Yield a message for each type of a triple that differs from its predicate's type in the schema."""
    given = triple.get("subject_type")
    if isinstance(given, str) and given != predicate.subject_type:
        yield f"subject type of {predicate.name!r} is {given!r}, the schema has {predicate.subject_type!r}"
    given = triple.get("object_type")
    if isinstance(given, dict):
        for slot, wanted in predicate.object_types.items():
            if slot in given and given[slot] != wanted:
                yield f"{slot!r} type of {predicate.name!r} is {given[slot]!r}, the schema has {wanted!r}"


def main() -> None:
    args = check_arguments(__doc__)
    schema = read_schema(args.schema) if args.schema is not None else None
    records, triples = check_submission(
        read_records(args.input, labelled=False), args.input, args.predictions, "text", partial(examine, schema=schema)
    )
    print(f"OK: {records} records, {triples} triples")


if __name__ == "__main__":
    run_command(main)
