"""Score a prediction file against gold by the metric of DuEE 1.0.

    python event_extraction/evaluate.py --gold dev.json --predictions predictions.zip [--report DIR]

Prints one JSON object with precision, recall, F1 and F1 by longest common subsequences on standard output. Two tables
go to standard error. The first one is by event type and role. The second one compares sentences with one event and with
several, and also has scores of whole events.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

from common.cli import UserError, evaluation_arguments, note_not_in_text, note_unmatched, run_command
from common.files import make_folder
from common.table import format_table
from records import read_events
from report import write_report
from scoring import SCORES, Counts, by_type, exact_events, occurs, per_label, score

Records = list[dict[str, Any]]


def read_files(gold_path: str, prediction_path: str) -> tuple[Records, Records]:
    """Read gold and predictions.

    Raises UserError if a line is malformed, if no id is in both files, or if the two seem to be swapped because gold is
    a zip or only the predictions have triggers.
    """
    if zipfile.is_zipfile(gold_path):
        raise UserError(f"{gold_path}: a zip, expected plain JSON lines (are gold and predictions swapped?)")
    gold, predictions = list(read_events(gold_path)), list(read_events(prediction_path))
    gold_ids = {record["id"] for record in gold}
    predicted_ids = {record["id"] for record in predictions}
    for path, records, ids in ((gold_path, gold, gold_ids), (prediction_path, predictions, predicted_ids)):
        if repeated := len(records) - len(ids):
            print(
                f"note: {path}: {repeated} lines have the id of a later line, and the last one counts", file=sys.stderr
            )
    if not gold_ids & predicted_ids:
        raise UserError(f"{prediction_path}: has none of the ids of {gold_path}")
    if _has_triggers(predictions) and any(record["event_list"] for record in gold) and not _has_triggers(gold):
        raise UserError(
            f"{gold_path}: no event has a trigger, but events of {prediction_path} do "
            "(are gold and predictions swapped?)"
        )
    note_unmatched(gold_ids, predicted_ids, "sentences")
    return gold, predictions


def check_texts(gold: Records, path: str) -> None:
    """Raise UserError if a gold record has no text. The metric does not need it, but a report shows it."""
    for number, record in enumerate(gold, start=1):
        if not isinstance(record.get("text"), str):
            raise UserError(f'{path}, line {number}: "text" is missing or not a string, but a report needs it')


def argument_strings(gold: Records) -> Iterator[tuple[str, str, bool]]:
    """Yield for each argument of the records with a text its line, its string, and whether the text has it.

    If the text has one of its aliases, a prediction can match it as well.
    """
    for number, record in enumerate(gold, start=1):
        if isinstance(text := record.get("text"), str):
            for event in record["event_list"]:
                for argument in event["arguments"]:
                    forms = (argument["argument"], *argument.get("alias", ()))
                    yield f"line {number}", forms[0], any(occurs(form, text) for form in forms)


def _has_triggers(records: Records) -> bool:
    return any("trigger" in event for record in records for event in record["event_list"])


def label_table(counts: dict[tuple[str, str], Counts]) -> str:
    """Format the scores of each event type, with its roles below it. The type with the most gold arguments is first."""
    rows: list[tuple[str, ...]] = [("event type / role", *SCORES, "support")]
    for event_type, total, roles in by_type(counts):
        rows.append(_row(event_type, total))
        rows += [_row(f"  {role}", count) for role, count in roles.items()]
    return format_table(rows)


def _row(name: str, count: Counts) -> tuple[str, ...]:
    return name, *(f"{value:.4f}" for value in count.scores().values()), str(count.gold)


def summary_table(gold: Records, predictions: Records) -> str:
    """Format the scores of all sentences, of those with one event and of those with several.

    The columns that start with `exact` are the scores of whole events.
    """
    parts = {
        "all sentences": gold,
        "with one event": [record for record in gold if len(record["event_list"]) == 1],
        "with several events": [record for record in gold if len(record["event_list"]) > 1],
    }
    rows: list[tuple[str, ...]] = [("", *SCORES, "exact p", "exact r", "exact f1", "sentences")]
    for name, part in parts.items():
        scores = [*score(part, predictions).values(), *exact_events(part, predictions).values()]
        rows.append((name, *(f"{value:.4f}" for value in scores), str(len(part))))
    return format_table(rows)


def main() -> None:
    args = evaluation_arguments(__doc__)
    gold, predictions = read_files(args.gold, args.predictions)
    if args.report is not None:
        check_texts(gold, args.gold)
        make_folder(args.report)
    note_not_in_text(args.gold, argument_strings(gold))
    print(label_table(per_label(gold, predictions)), file=sys.stderr)
    print(summary_table(gold, predictions), file=sys.stderr)
    print(json.dumps(score(gold, predictions)))
    if args.report is not None:
        write_report(args.report, gold, predictions)


if __name__ == "__main__":
    run_command(main)
