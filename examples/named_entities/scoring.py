"""The metric of CLUENER 2020, and micro precision, recall and F1.

`macro_f1` is the leaderboard's, computed as in the organisers' `score.py`. Each label has an F1 over the distinct
strings of each text, wherever they are in it, and `macro_f1` is the mean over the labels. `precision`, `recall` and
`f1` are over all entities. An entity is right if its label, its first and its last character are right.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from records import entities

SCORES = ("precision", "recall", "f1", "macro_f1")
LABEL_SCORES = ("precision", "recall", "f1", "string_f1")  # the scores of one label


@dataclass
class Counts:
    """What the metric counts for a label. The sum over the labels gives the micro average."""

    predicted: int = 0  # entities: label, first and last character
    gold: int = 0
    correct: int = 0
    predicted_strings: int = 0  # distinct strings of a text
    gold_strings: int = 0
    correct_strings: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.predicted + other.predicted,
            self.gold + other.gold,
            self.correct + other.correct,
            self.predicted_strings + other.predicted_strings,
            self.gold_strings + other.gold_strings,
            self.correct_strings + other.correct_strings,
        )

    def scores(self) -> dict[str, float]:
        """Return `precision`, `recall`, `f1` and the organisers' `string_f1`, rounded to 4 decimals.

        A ratio over nothing is 0.0.
        """
        scores = {
            "precision": _ratio(self.correct, self.predicted),
            "recall": _ratio(self.correct, self.gold),
            # This is 2 P R / (P + R), as P and R have the same numerator.
            "f1": _ratio(2 * self.correct, self.predicted + self.gold),
            "string_f1": self.string_f1,
        }
        return {name: round(value, 4) for name, value in scores.items()}

    @property
    def string_f1(self) -> float:
        return _ratio(2 * self.correct_strings, self.predicted_strings + self.gold_strings)


def score(gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return `precision`, `recall`, `f1` and `macro_f1` of predictions, rounded to 4 decimals.

    Records need `text` and `label`, and are matched by their exact text. If a text is repeated, its last record counts.
    Predictions for texts that gold lacks do not count. A gold text without a prediction counts in recall. The macro F1
    is the mean over the labels that gold has.
    """
    counts = per_label(gold_records, predicted_records)
    label_scores = [count.string_f1 for count in counts.values() if count.gold]
    scores = sum(counts.values(), Counts()).scores()
    del scores["string_f1"]
    return scores | {"macro_f1": round(_ratio(sum(label_scores), len(label_scores)), 4)}


def per_label(gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]) -> dict[str, Counts]:
    """Count as `score` does, but separately for each label. The label with the most gold entities is first."""
    predictions = {record["text"]: record for record in predicted_records}
    counts: dict[str, Counts] = defaultdict(Counts)
    for text, record in {record["text"]: record for record in gold_records}.items():
        gold = set(entities(record))
        predicted = set(entities(predictions.get(text, {"label": {}})))
        for label in {label for label, *_ in gold | predicted}:
            found = {entity for entity in predicted if entity[0] == label}
            expected = {entity for entity in gold if entity[0] == label}
            found_strings = {string for _, string, *_ in found}
            expected_strings = {string for _, string, *_ in expected}
            counts[label] += Counts(
                len(found), len(expected), len(found & expected),
                len(found_strings), len(expected_strings), len(found_strings & expected_strings),
            )  # fmt: skip
    return dict(sorted(counts.items(), key=lambda item: (-item[1].gold, item[0])))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
