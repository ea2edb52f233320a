"""The report of named entities: scores by label, and each text with its entities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.report import Fact, Item, Part, Report, Table, by_size, table_of_parts, write
from records import entities
from scoring import LABEL_SCORES, SCORES, per_label, score

KINDS = {
    "correct": "right",
    "other label": "wrong",  # a missed entity has the same characters
    "other boundary": "wrong",  # it overlaps a missed entity of the same label
    "not in gold": "wrong",
    "missed": "missed",
}
LENGTHS = (10, 20, 30, 40, 50)  # bounds between the groups of texts by length, in characters
Records = Sequence[dict[str, Any]]
Entity = tuple[str, str, int, int]  # label, string, first and last character


def write_report(
    folder: str | Path,
    gold: Records,
    predictions: Records,
    history: Sequence[dict[str, Any]] = (),
    made_with: str = "",
) -> None:
    """Write the report on predictions to a folder.

    Args:
        folder: where report.html and the charts go. It is made if it does not exist.
        gold: labelled records.
        predictions: labelled records, matched with gold by `text`.
        history: a row for each epoch of a training, for the learning curves.
        made_with: what `Training.made_with` says, if this is the end of a training.

    Raises:
        UserError: if the folder cannot be written to.
    """
    gold = list({record["text"]: record for record in gold}.values())  # if a text is repeated, the last record counts
    found = {record["text"]: record for record in predictions}

    def scores(part: Records) -> dict[str, float]:
        return score(part, predictions)

    counts = per_label(gold, predictions)
    by_label = [(label, *count.scores().values(), count.gold) for label, count in counts.items()]
    by_length = by_size(gold, lambda record: len(record["text"]), LENGTHS)
    by_number = by_size(gold, lambda record: len(list(entities(record))), (1, 2, 3, 4, 6))
    tables = [
        Table("labels", "By label", LABEL_SCORES, by_label),
        table_of_parts("text_length", "By characters of the text", SCORES, by_length, scores),
        table_of_parts("gold_items", "By number of gold entities", SCORES, by_number, scores),
    ]
    items = []
    for record in gold:
        predicted = found.get(record["text"], {"label": {}})
        items.append(Item(record["text"], facts(set(entities(record)), set(entities(predicted)))))
    write(Report("Named entities", scores(gold), KINDS, tables, items, history, made_with), folder)


def facts(gold: set[Entity], predicted: set[Entity]) -> list[Fact]:
    """Return the predicted entities of a text and then the missed ones, both in the order of the text."""
    missed = gold - predicted
    kinds = [(entity, "correct" if entity in gold else explain(entity, missed)) for entity in _in_order(predicted)]
    kinds += [(entity, "missed") for entity in _in_order(missed)]
    return [Fact(kind, label, [Part("", string, [(first, last + 1)])]) for (label, string, first, last), kind in kinds]


def explain(wrong: Entity, missed: set[Entity]) -> str:
    """Return the kind of error (see `KINDS`) of a wrong entity, by what was missed in its text."""
    label, _, first, last = wrong
    if any(entity[2:] == (first, last) for entity in missed):
        return "other label"
    if any(entity[0] == label and entity[2] <= last and first <= entity[3] for entity in missed):
        return "other boundary"
    return "not in gold"


def _in_order(found: set[Entity]) -> list[Entity]:
    return sorted(found, key=lambda entity: (entity[2:], entity[0]))
