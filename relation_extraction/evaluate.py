"""Score a prediction file against gold by the official metric of DuIE 2.0.

    python relation_extraction/evaluate.py --gold dev.json --predictions predictions.zip [--report DIR]

Prints one JSON object with precision, recall and F1 on standard output, and a table by predicate on standard error.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

from common.cli import UserError, evaluation_arguments, note_not_in_text, note_unmatched, run_command
from common.files import make_folder
from common.table import format_table
from records import read_records
from scoring import SCORES, Aliases, Counts, by_support, occurs, per_predicate, read_aliases, several_slots

# In official gold every sentence has a triple, while some predictions have none. If it is the other way round, and at
# least this many gold sentences have no triple, the two files were probably swapped.
EMPTY_GOLD_OF_A_SWAP = 5


def read_files(gold_path: str, prediction_path: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read gold and predictions.

    Raises UserError if a line is malformed, if the files share no sentence, or if they seem to be swapped. Both have
    the same format, so a swap shows only if gold is a zip, or if many gold sentences have no triple, while every
    predicted sentence has one.
    """
    if zipfile.is_zipfile(gold_path):
        raise UserError(f"{gold_path}: a zip, expected plain JSON lines (are gold and predictions swapped?)")
    gold = list(read_records(gold_path))
    predictions = list(read_records(prediction_path))
    gold_texts = {record["text"] for record in gold}
    predicted_texts = {record["text"] for record in predictions}
    if not gold_texts & predicted_texts:
        raise UserError(f"{prediction_path}: has none of the sentences of {gold_path}")
    empty = sum(not record["spo_list"] for record in gold)
    if empty >= EMPTY_GOLD_OF_A_SWAP and all(record["spo_list"] for record in predictions):
        raise UserError(
            f"{gold_path}: {empty} sentences have no triple, but all in {prediction_path} have one "
            "(are gold and predictions swapped?)"
        )
    note_unmatched(gold_texts, predicted_texts, "sentences")
    return gold, predictions


def gold_strings(gold: list[dict[str, Any]], aliases: Aliases | None) -> Iterator[tuple[str, str, bool]]:
    """Yield for each subject and each slot of an object its line, its string, and whether its text has it."""
    for number, record in enumerate(gold, start=1):
        for triple in record["spo_list"]:
            for string in (triple["subject"], *triple["object"].values()):
                yield f"line {number}", string, occurs(string, record["text"], aliases)


def table(counts: dict[str, Counts], several: Counts) -> str:
    """Format the scores of each predicate as a table, the most frequent in gold first.

    The last row has the scores of the triples with several slots, of whatever predicate, if there are any.
    """
    rows: list[tuple[str, ...]] = [("predicate", *SCORES, "support")]
    of_several = [("(triples with several slots)", several)] if several.gold or several.predicted else []
    for name, count in [*by_support(counts), *of_several]:
        rows.append((name, *(f"{score:.4f}" for score in count.scores().values()), str(count.gold)))
    return format_table(rows)


def main() -> None:
    args = evaluation_arguments(
        __doc__,
        {"--alias": {"metavar": "FILE", "help": "file with a name and its aliases on each line, tab-separated"}},
    )
    aliases = read_aliases(args.alias) if args.alias is not None else None
    gold, predictions = read_files(args.gold, args.predictions)
    if args.report is not None:
        make_folder(args.report)
    note_not_in_text(args.gold, gold_strings(gold, aliases))
    counts = per_predicate(gold, predictions, aliases)
    several = per_predicate(several_slots(gold), several_slots(predictions), aliases)
    print(table(counts, sum(several.values(), Counts())), file=sys.stderr)
    print(json.dumps(sum(counts.values(), Counts()).scores()))
    if args.report is not None:
        from report import write_report  # imports NumPy, which scoring does not need

        write_report(args.report, gold, predictions, aliases)


if __name__ == "__main__":
    run_command(main)
