"""Score answers by the official metric of DuReader-robust.

    python evaluate.py --gold dev.json --predictions predictions.json [--report DIR]

One JSON object with F1, EM, TOTAL and SKIP on standard output. Like the official script it reads the first entry of
the gold file's `data` only.
"""

import json
import sys
from itertools import chain
from pathlib import Path

from common.cli import UserError, evaluation_arguments, run_command
from common.files import make_folder, read_json
from records import read_entries
from report import write_report
from scoring import score


def read_predictions(path: str | Path) -> dict[str, str]:
    """Answers by id, of a plain or zipped file; raises UserError for another form."""
    predictions = read_json(path)
    if isinstance(predictions, dict) and "data" in predictions:
        raise UserError(f"{path}: a file of questions, expected answers by id (are gold and predictions swapped?)")
    if not isinstance(predictions, dict):
        raise UserError(f'{path}: expected a JSON object {{"id": "answer", ...}}')
    for name, answer in predictions.items():
        if not isinstance(answer, str):
            raise UserError(f"{path}: the answer of {name!r} is not a string")
    return predictions


def main() -> None:
    args = evaluation_arguments(__doc__)
    gold, *not_scored = read_entries(args.gold)
    if not gold:
        raise UserError(f"{args.gold}: no questions in the first entry of data")
    predictions = read_predictions(args.predictions)
    questions = [*gold, *chain(*not_scored)]
    if len(gold) < len(questions):
        print(
            f"note: like the official script, only the first entry of data is scored, {len(gold)} of "
            f"{len(questions)} questions",
            file=sys.stderr,
        )
    unknown = len(predictions.keys() - {question.id for question in questions})
    if unknown == len(predictions):
        raise UserError(f"{args.predictions}: has not one of the ids of {args.gold}")
    if unknown:
        print(f"note: {unknown} predicted ids are not in gold and are left out", file=sys.stderr)
    if args.report is not None:
        make_folder(args.report)
    print(json.dumps(score(gold, predictions)))
    if args.report is not None:
        write_report(args.report, gold, predictions)


if __name__ == "__main__":
    run_command(main)
