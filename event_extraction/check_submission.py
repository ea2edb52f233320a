"""Check whether the DuEE 1.0 leaderboard would accept a prediction file.

    python event_extraction/check_submission.py --input test1.json --predictions result.zip --schema event_schema.json

Prints one line for each kind of problem on standard error, with the first place that has it and how often it comes up.
"""

from functools import partial
from typing import Any

from common.cli import check_arguments, run_command
from common.submission import Say, check_submission
from records import Schema, read_inputs, read_schema, record_faults, schema_faults


def examine(record: Any, problem: Say, warning: Say, schema: Schema | None) -> int:
    """Report what is wrong with a parsed line, and return the number of its events. It is 0 if there is a problem.

    Args:
        record: the parsed line, any JSON value.
        problem: called with each reason why the leaderboard would not accept the line.
        warning: called with whatever else looks wrong.
        schema: the roles of each event type. If it is None, types and roles are not checked.
    """
    faults = list(record_faults(record, "id", "event_list"))
    if not faults and schema:
        faults = list(schema_faults(record, schema))
    for fault in faults:
        problem(fault)
    if faults:
        return 0
    if any(not argument["argument"] for event in record["event_list"] for argument in event["arguments"]):
        warning("an empty argument")
    return len(record["event_list"])


def main() -> None:
    args = check_arguments(__doc__)
    schema = read_schema(args.schema) if args.schema is not None else None
    records, events = check_submission(
        read_inputs(args.input), args.input, args.predictions, "id", partial(examine, schema=schema)
    )
    print(f"OK: {records} records, {events} events")


if __name__ == "__main__":
    run_command(main)
