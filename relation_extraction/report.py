"""What a report of relation extraction shows: scores by predicate, and every sentence with its triples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.report import Fact, Item, Part, Report, Table, by_size, table_of_parts, write
from dataset import to_example
from scoring import SCORES, Aliases, NormalTriple, by_support, compare, normalise_triple, per_predicate, score

KINDS = {
    "correct": "right",
    "other predicate": "wrong",  # a missed triple has the same subject and object slots
    "other slots": "wrong",  # a missed triple differs in a slot other than @value
    "other boundary": "wrong",  # a missed triple of the predicate has a longer or shorter subject or @value
    "not in gold": "wrong",
    "missed": "missed",
}
LENGTHS = (25, 50, 75, 100, 150, 200)  # bounds between the rows of the table by text length, in characters
Records = Sequence[dict[str, Any]]


def write_report(
    folder: str | Path,
    gold: Records,
    predictions: Records,
    aliases: Aliases | None = None,
    history: Sequence[dict[str, Any]] = (),
    made_with: str = "",
) -> None:
    """Write the report of predictions, one page and its charts.

    Args:
        folder: where to write it. It is made if it does not exist.
        gold: official records.
        predictions: official records with the predicted triples.
        aliases: other names for a name, as `scoring.read_aliases` returns them.
        history: a row for each epoch, if this is the end of a training.
        made_with: what `Training.made_with` says, if this is the end of a training.

    Raises:
        UserError: if the folder cannot be written to.
    """
    gold = list({record["text"]: record for record in gold}.values())  # the last record of a repeated text counts
    found = {record["text"]: record["spo_list"] for record in predictions}

    def scores(part: Records) -> dict[str, float]:
        return score(part, predictions, aliases)

    counts = per_predicate(gold, predictions, aliases)
    by_predicate = [(name, *count.scores().values(), count.gold) for name, count in by_support(counts)]
    by_length = by_size(gold, lambda record: len(record["text"]), LENGTHS)
    by_number = by_size(gold, lambda record: len(record["spo_list"]), (1, 2, 3, 4, 6, 10))
    tables = [
        Table("labels", "By predicate", SCORES, by_predicate),
        table_of_parts("text_length", "By characters of the text", SCORES, by_length, scores),
        table_of_parts("gold_items", "By number of gold triples", SCORES, by_number, scores),
    ]
    items = [Item(r["text"], facts(r["text"], r["spo_list"], found.get(r["text"], []), aliases or {})) for r in gold]
    write(Report("Relation extraction", scores(gold), KINDS, tables, items, history, made_with), folder)


def facts(text: str, gold: Records, predicted: Records, aliases: Aliases) -> list[Fact]:
    """Return the distinct predictions for a sentence, right and wrong, and the gold triples that they miss."""
    expected, judged = compare(gold, predicted, aliases)
    missed = [triple for triple, found in expected if not found]
    kinds = [(triple, ("correct", "") if correct else explain(triple, missed)) for triple, correct in judged]
    kinds += [(triple, ("missed", "")) for triple in missed]
    return [Fact(kind, triple["predicate"], _parts(text, triple), note) for triple, (kind, note) in kinds]


def explain(wrong: dict[str, Any], missed: Records) -> tuple[str, str]:
    """Return the kind of a wrong triple, and a note on the missed triple that was probably meant."""
    ours = normalise_triple(wrong)
    theirs = [(normalise_triple(triple), triple) for triple in missed]
    for triple, original in theirs:
        if (triple.subject, triple.object) == (ours.subject, ours.object):
            return "other predicate", f"gold: {original['predicate']}"
    theirs = [pair for pair in theirs if pair[0].predicate == ours.predicate]
    for triple, _ in theirs:
        if triple.subject == ours.subject and _value(triple) == _value(ours):
            return "other slots", ""
    for triple, original in theirs:
        if _nested(triple.subject, ours.subject) and _nested(_value(triple), _value(ours)):
            return "other boundary", f"gold: {original['subject']} → {original['object'].get('@value', '')}"
    return "not in gold", ""


def _value(triple: NormalTriple) -> str:
    return dict(triple.object).get("@value", "")


def _nested(a: str, b: str) -> bool:
    return bool(a and b) and (a in b or b in a)


def _parts(text: str, triple: dict[str, Any]) -> list[Part]:
    """Return the strings of a triple, with the spans that training would find for them.

    There are no spans if the subject or the `@value` is not in the text.
    """
    located = to_example({"text": text, "spo_list": [triple]}).triples
    spans = {"": located[0].subject, **located[0].slots} if located else {}
    slots = sorted(triple["object"].items(), key=lambda slot: slot[0] != "@value")
    parts = []
    for name, string in [("", triple["subject"]), *slots]:
        shown = "" if name == "@value" else name  # subject and `@value` come first, without a name
        parts.append(Part(shown, string, [spans[name]] if name in spans else []))
    return parts
