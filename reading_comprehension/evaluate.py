"""Score a file of answers against gold by the official metric of DuReader-robust.

    python evaluate.py --gold dev.json --predictions predictions.json [--report DIR]

Prints one JSON object with F1, EM, TOTAL and SKIP. Like the official script it scores only the first entry of the gold
file's `data`.
"""

import json
import sys
from itertools import chain

from common.cli import UserError, evaluation_arguments, note_not_in_text, run_command
from common.files import make_folder
from records import read_entries, read_predictions
from report import write_report
from scoring import occurs, score


def main() -> None:
    args = evaluation_arguments(__doc__)
    gold, *not_scored = read_entries(args.gold)
    if not gold:
        raise UserError(f"{args.gold}: no questions in the first entry of data")
    predictions = read_predictions(args.predictions)
    questions = [*gold, *chain(*not_scored)]
    if len(gold) < len(questions):
        print(
            f"note: like the official script, this scores only the first entry of data, {len(gold)} of "
            f"{len(questions)} questions",
            file=sys.stderr,
        )
    unknown = len(predictions.keys() - {question.id for question in questions})
    if unknown == len(predictions):
        raise UserError(f"{args.predictions}: has none of the ids of {args.gold}")
    if unknown:
        print(f"note: {unknown} predicted ids are not in gold and are left out", file=sys.stderr)
    if args.report is not None:
        make_folder(args.report)
    note_not_in_text(
        args.gold,
        ((f"id {q.id}", answer, occurs(answer, q.context)) for q in gold for answer in q.answers),
    )
    print(json.dumps(score(gold, predictions)))
    if args.report is not None:
        write_report(args.report, gold, predictions)


if __name__ == "__main__":
    run_command(main)
