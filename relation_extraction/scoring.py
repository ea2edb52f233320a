"""The official metric of DuIE 2.0: micro precision, recall and F1 over triples.

The scores equal those of the organisers' `re_official_evaluation.py` to the last digit. Two triples are the same if
they have equal predicates, subjects and object slots. Subjects and slots are compared in lower case and without one
outer pair of book marks. Types are not compared. With aliases, "the same" is neither symmetric nor transitive, so it
matters which triples are looked for among which:

    precision = distinct predictions found among the distinct gold triples / distinct predictions
    recall    = distinct gold triples found among all predictions / distinct gold triples
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from common.files import read_lines

SCORES = ("precision", "recall", "f1")
Aliases = Mapping[str, Set[str]]
Judged = tuple[dict[str, Any], bool]  # a triple as written, and whether the other side has it


class NormalTriple(NamedTuple):
    """A normalised triple. Its object is a sorted tuple of (slot, value) pairs."""

    predicate: str
    subject: str
    object: tuple[tuple[str, str], ...]


@dataclass
class Counts:
    """What the metric counts. The sum over all predicates gives the micro average."""

    predicted: int = 0  # distinct predictions
    correct: int = 0  # those of them that are in gold
    gold: int = 0  # distinct gold triples
    found: int = 0  # those of them that are in the predictions

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.predicted + other.predicted,
            self.correct + other.correct,
            self.gold + other.gold,
            self.found + other.found,
        )

    def scores(self) -> dict[str, float]:
        """Return `precision`, `recall` and `f1`, rounded to 4 decimals. A ratio over nothing is 0.0."""
        precision = self.correct / self.predicted if self.predicted else 0.0
        recall = self.found / self.gold if self.gold else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def score(
    gold_records: Iterable[dict[str, Any]],
    predicted_records: Iterable[dict[str, Any]],
    alias: Aliases | None = None,
) -> dict[str, float]:
    """Score predictions, and return `{"precision", "recall", "f1"}` with 4 decimals each.

    Records are matched by their exact text. If a text is repeated, its last record counts. Predictions for texts that
    are not in gold do not count, while a gold text without a prediction lowers recall.

    Args:
        gold_records: official records, `{"text", "spo_list"}`.
        predicted_records: official records with the predicted triples.
        alias: other names for a name, as `read_aliases` returns them.
    """
    return sum(per_predicate(gold_records, predicted_records, alias).values(), Counts()).scores()


def per_predicate(
    gold_records: Iterable[dict[str, Any]],
    predicted_records: Iterable[dict[str, Any]],
    alias: Aliases | None = None,
) -> dict[str, Counts]:
    """Count as `score` does, but for each predicate on its own. The arguments are the same."""
    alias = alias or {}
    gold = {record["text"]: record["spo_list"] for record in gold_records}
    predictions = {record["text"]: record["spo_list"] for record in predicted_records}
    counts: dict[str, Counts] = defaultdict(Counts)
    for text, gold_list in gold.items():
        expected, predicted = compare(gold_list, predictions.get(text, ()), alias)
        for triple, correct in predicted:
            counts[triple["predicate"]].predicted += 1
            counts[triple["predicate"]].correct += correct
        for triple, found in expected:
            counts[triple["predicate"]].gold += 1
            counts[triple["predicate"]].found += found
    return dict(counts)


def several_slots(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep only the triples whose object has more than its `@value`. They can only match each other."""
    return [record | {"spo_list": [spo for spo in record["spo_list"] if len(spo["object"]) > 1]} for record in records]


def by_support(counts: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    """Sort predicates by the number of their gold triples, the most frequent first."""
    return sorted(counts.items(), key=lambda item: (-item[1].gold, item[0]))


def compare(
    gold_list: Collection[dict[str, Any]], predicted_list: Collection[dict[str, Any]], alias: Aliases
) -> tuple[list[Judged], list[Judged]]:
    """Compare the predictions for a sentence with its gold triples.

    Returns:
        The distinct gold triples, each with whether it was found, and the distinct predictions, each with whether it is
        correct.
    """
    expected, predicted = _distinct(gold_list, alias), _distinct(predicted_list, alias)
    raw = set(map(normalise_triple, predicted_list))
    return (
        [(original, _is_among(triple, raw, alias)) for triple, original in expected.items()],
        [(original, _is_among(triple, expected.keys(), alias)) for triple, original in predicted.items()],
    )


def read_aliases(path: str | Path) -> dict[str, set[str]]:
    """Read a tab-separated file with a name and its aliases on each line, and put them into lower case.

    If a name is repeated, its last line counts. Raises UserError for a file that is missing, empty or not UTF-8.
    """
    rows = (line.strip().lower().split("\t") for _, line in read_lines(path))
    return {name: set(aliases) for name, *aliases in rows}


def normalise_triple(triple: dict[str, Any]) -> NormalTriple:
    """Put a triple into the form in which triples are compared.

    >>> normalise_triple({"predicate": "作者", "subject": "《Big Fish》", "object": {"@value": "Wallace"}})
    NormalTriple(predicate='作者', subject='big fish', object=(('@value', 'wallace'),))
    """
    slots = sorted((slot, _normalise(value)) for slot, value in triple["object"].items())
    return NormalTriple(triple["predicate"], _normalise(triple["subject"]), tuple(slots))


def occurs(name: str, text: str, alias: Aliases | None = None) -> bool:
    """Tell whether some part of a text, which is not empty, matches a name or one of its aliases in this metric."""
    plain, text = _normalise(name), text.lower()
    return any(
        f"《{form}》" in text or (_normalise(form) == form and form != "" and form in text)
        for form in (plain, *(alias or {}).get(plain, ()))
    )


def _normalise(name: str) -> str:
    return name.lower()[1:-1] if name.startswith("《") and name.endswith("》") else name.lower()


def _distinct(triples: Iterable[dict[str, Any]], alias: Aliases) -> dict[NormalTriple, dict[str, Any]]:
    """Return the distinct triples, normalised and as written. If several are the same, the first one is kept."""
    kept: dict[NormalTriple, dict[str, Any]] = {}
    for original in triples:
        triple = normalise_triple(original)
        if not _is_among(triple, kept.keys(), alias):
            kept[triple] = original
    return kept


def _is_among(target: NormalTriple, triples: Set[NormalTriple], alias: Aliases) -> bool:
    return target in triples or (bool(alias) and any(_matches(target, triple, alias) for triple in triples))


def _matches(target: NormalTriple, triple: NormalTriple, alias: Aliases) -> bool:
    """Return whether `triple` is the same as `target`, given the aliases.

    Its subject may be an alias of the target's. Slot values must be equal, or each an alias of the other.
    """
    return (
        triple.predicate == target.predicate
        and _names(target.subject, triple.subject, alias)
        and len(triple.object) == len(target.object)
        and all(
            slot == target_slot and _names(value, target_value, alias) and _names(target_value, value, alias)
            for (slot, value), (target_slot, target_value) in zip(triple.object, target.object, strict=True)
        )
    )


def _names(name: str, other: str, alias: Aliases) -> bool:
    return other == name or other in alias.get(name, ())
