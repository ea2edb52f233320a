"""The official metric of DuIE 2.0: micro precision, recall and F1 over triples.

Gives what the organisers' `re_official_evaluation.py` gives, to the last digit. Two triples are the same when
predicate, subject and every slot of the object are, after lower-casing and taking off one outer pair of book
marks; types do not count. With aliases "the same" is neither symmetric nor transitive, so it matters who is
looked up among whom:

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
    """A normalised triple; the object as its (slot, value) pairs, sorted."""

    predicate: str
    subject: str
    object: tuple[tuple[str, str], ...]


@dataclass
class Counts:
    """What the metric counts; add up predicates for the micro average."""

    predicted: int = 0  # distinct predictions
    correct: int = 0  # of these, found in gold
    gold: int = 0  # distinct gold triples
    found: int = 0  # of these, found in the predictions

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.predicted + other.predicted,
            self.correct + other.correct,
            self.gold + other.gold,
            self.found + other.found,
        )

    def scores(self) -> dict[str, float]:
        """`precision`, `recall` and `f1`, rounded to 4 decimals; 0.0 for a ratio over nothing."""
        precision = self.correct / self.predicted if self.predicted else 0.0
        recall = self.found / self.gold if self.gold else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def score(
    gold_records: Iterable[dict[str, Any]],
    predicted_records: Iterable[dict[str, Any]],
    alias: Aliases | None = None,
) -> dict[str, float]:
    """Score official records (`{"text", "spo_list"}`): `{"precision", "recall", "f1"}`, 4 decimals each.

    Records are matched by their exact text: of a repeated text the last one counts, predictions for texts
    that gold lacks do not, and a gold text without a prediction counts in recall.
    """
    return sum(per_predicate(gold_records, predicted_records, alias).values(), Counts()).scores()


def per_predicate(
    gold_records: Iterable[dict[str, Any]],
    predicted_records: Iterable[dict[str, Any]],
    alias: Aliases | None = None,
) -> dict[str, Counts]:
    """Count like `score`, for each predicate of gold or of the predictions on its own."""
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


def by_support(counts: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    """The most frequent in gold first."""
    return sorted(counts.items(), key=lambda item: (-item[1].gold, item[0]))


def compare(
    gold_list: Collection[dict[str, Any]], predicted_list: Collection[dict[str, Any]], alias: Aliases
) -> tuple[list[Judged], list[Judged]]:
    """The distinct gold triples of a sentence, each with whether it was found, and the distinct predictions, each with
    whether it is correct.
    """
    expected, predicted = _distinct(gold_list, alias), _distinct(predicted_list, alias)
    raw = set(map(normalise_triple, predicted_list))
    return (
        [(original, _is_among(triple, raw, alias)) for triple, original in expected.items()],
        [(original, _is_among(triple, expected.keys(), alias)) for triple, original in predicted.items()],
    )


def read_aliases(path: str | Path) -> dict[str, set[str]]:
    """Read a tab-separated alias file: a name, then its aliases; of a repeated name the last line counts.

    Raises UserError for a file that is missing, empty or not UTF-8.
    """
    rows = (line.strip().lower().split("\t") for _, line in read_lines(path))
    return {name: set(aliases) for name, *aliases in rows}


def normalise_triple(triple: dict[str, Any]) -> NormalTriple:
    slots = sorted((slot, _normalise(value)) for slot, value in triple["object"].items())
    return NormalTriple(triple["predicate"], _normalise(triple["subject"]), tuple(slots))


def _normalise(name: str) -> str:
    return name.lower()[1:-1] if name.startswith("《") and name.endswith("》") else name.lower()


def _distinct(triples: Iterable[dict[str, Any]], alias: Aliases) -> dict[NormalTriple, dict[str, Any]]:
    """The first of each, as written."""
    kept: dict[NormalTriple, dict[str, Any]] = {}
    for original in triples:
        triple = normalise_triple(original)
        if not _is_among(triple, kept.keys(), alias):
            kept[triple] = original
    return kept


def _is_among(target: NormalTriple, triples: Set[NormalTriple], alias: Aliases) -> bool:
    return target in triples or (bool(alias) and any(_matches(target, triple, alias) for triple in triples))


def _matches(target: NormalTriple, triple: NormalTriple, alias: Aliases) -> bool:
    """Whether `triple` stands for `target`: subjects by the target's aliases, slot values by both sides'."""
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
