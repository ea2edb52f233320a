"""Score a prediction file against gold by the metric of CLUENER 2020.

    python evaluate.py --gold dev.json --predictions predictions.json [--report DIR]

Prints one JSON object with micro precision, recall and F1 and the leaderboard's macro F1 on standard output, and a
table by label on standard error.
"""

import json
import sys

from common.cli import UserError, evaluation_arguments, note_unmatched, run_command
from common.files import make_folder
from common.table import format_table
from records import read_records
from report import write_report
from scoring import LABEL_SCORES, per_label, score


def main() -> None:
    args = evaluation_arguments(__doc__)
    gold = list(read_records(args.gold))
    predictions = list(read_records(args.predictions))
    gold_texts = {record["text"] for record in gold}
    predicted_texts = {record["text"] for record in predictions}
    if not gold_texts & predicted_texts:
        raise UserError(f"{args.predictions}: has none of the texts of {args.gold}")
    note_unmatched(gold_texts, predicted_texts, "texts")
    if args.report is not None:
        make_folder(args.report)
    rows: list[tuple[str, ...]] = [("label", *LABEL_SCORES, "support")]
    for label, count in per_label(gold, predictions).items():
        rows.append((label, *(f"{value:.4f}" for value in count.scores().values()), str(count.gold)))
    print(format_table(rows), file=sys.stderr)
    print(json.dumps(score(gold, predictions)))
    if args.report is not None:
        write_report(args.report, gold, predictions)


if __name__ == "__main__":
    run_command(main)
