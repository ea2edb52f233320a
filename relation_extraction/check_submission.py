"""Would the DuIE 2.0 leaderboard take this prediction file?

    python check_submission.py --input test1.json --predictions predictions.zip --schema schema.json

Each kind of problem is one line on standard error: the first place that has it, and how often it comes up.
"""

import argparse
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.jsonl import read_submission_lines
from schema import Predicate, read_records, read_schema, record_faults, schema_faults

KINDS_SHOWN = 10


class Findings:
    """Messages, each with its first place and the number of its places."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, message: str, place: str) -> None:
        self.first.setdefault(message, place)
        self.places[message] += 1

    def show(self, label: str) -> None:
        for message, count in self.places.most_common(KINDS_SHOWN):
            times = f" ({count} times)" if count > 1 else ""
            print(f"{label}: {self.first[message]}: {message}{times}", file=sys.stderr)
        if len(self.first) > KINDS_SHOWN:
            print(f"{label}: and {len(self.first) - KINDS_SHOWN} more kinds", file=sys.stderr)


def check(
    input_path: str,
    prediction_path: str,
    schema: dict[str, Predicate] | None,
    problems: Findings,
    warnings: Findings,
) -> tuple[int, int]:
    """Collect what is wrong with predictions for `input_path`; return their numbers of records and triples.

    Raises UserError for an input that is wrong itself, and where the predictions cannot be read any further.
    """
    input_lines: dict[str, list[int]] = {}  # a text may stand on several lines, each needs its prediction
    for number, record in enumerate(read_records(input_path, labelled=False), start=1):
        input_lines.setdefault(record["text"], []).append(number)
    check_name(Path(prediction_path), problems, warnings)

    predicted: Counter[str] = Counter()
    triples = 0
    for number, record in read_submission_lines(prediction_path):
        place = f"{prediction_path}, line {number}"
        faults = list(record_faults(record))
        for fault in faults or record_problems(record, schema):
            problems.add(fault, place)
        if isinstance(record, dict) and isinstance(text := record.get("text"), str):
            predicted[text] += 1
            if text not in input_lines:
                problems.add(f"the text is not in {input_path}", place)
            elif predicted[text] > len(input_lines[text]):
                problems.add(f"the text comes more often than in {input_path}", place)
        if not faults:
            triples += len(record["spo_list"])
            for triple in record["spo_list"]:
                if "" in (triple["subject"], *triple["object"].values()):
                    warnings.add("an empty subject or object", place)
    for text, numbers in input_lines.items():
        for number in numbers[predicted[text] :]:
            problems.add("the text has no prediction", f"{input_path}, line {number}")
    return predicted.total(), triples


def check_name(path: Path, problems: Findings, warnings: Findings) -> None:
    """The leaderboard takes a zip of one JSON file that is named like the zip."""
    if not zipfile.is_zipfile(path):
        warnings.add("the leaderboard takes a zip of this file", str(path))
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    expected = path.stem.removesuffix(".json") + ".json"
    if members != [expected]:
        held = ", ".join(map(repr, members)) or "nothing"
        problems.add(f"expected one file named {expected!r} in the zip, found {held}", str(path))


def record_problems(record: dict[str, Any], schema: dict[str, Predicate] | None) -> Iterator[str]:
    """Say where the triples of a well-formed record miss the full official form or leave the schema."""
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
        if not unknown:
            yield from type_problems(triple, schema[name])


def type_problems(triple: dict[str, Any], predicate: Predicate) -> Iterator[str]:
    """Compare the types that a triple gives with those of its predicate."""
    given = triple.get("subject_type")
    if isinstance(given, str) and given != predicate.subject_type:
        yield f"subject type of {predicate.name!r} is {given!r}, the schema has {predicate.subject_type!r}"
    given = triple.get("object_type")
    if isinstance(given, dict):
        for slot, wanted in predicate.object_types.items():
            if slot in given and given[slot] != wanted:
                yield f"{slot!r} type of {predicate.name!r} is {given[slot]!r}, the schema has {wanted!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a prediction file before it goes to the leaderboard.")
    parser.add_argument("--input", required=True, help="the file that was predicted, official JSON lines")
    parser.add_argument("--predictions", required=True, help="official JSON lines, zipped (or still plain)")
    parser.add_argument("--schema", help="the task's schema.json: also check predicates, slots and types")
    arguments = parser.parse_args()

    schema = read_schema(arguments.schema) if arguments.schema else None
    problems, warnings = Findings(), Findings()
    try:
        records, triples = check(arguments.input, arguments.predictions, schema, problems, warnings)
    finally:  # also when a broken line ends the reading
        problems.show("problem")
        warnings.show("warning")
    if problems.first:
        raise UserError(f"{arguments.predictions}: not what the leaderboard takes, see the lines above")
    print(f"OK: {records} records, {triples} triples")


if __name__ == "__main__":
    run(main)
