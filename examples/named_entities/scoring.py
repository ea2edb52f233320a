"""The metric of CLUENER 2020, and micro precision, recall and F1.

`macro_f1` is the leaderboard's, as the organisers' `score.py` counts: of each label F1 over the distinct strings of
each text, wherever in it they stand, and the mean over the labels. `precision`, `recall` and `f1` are over all
entities, which are right when label, first and last character are.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from records import entities

SCORES = ("precision", "recall", "f1", "macro_f1")
LABEL_SCORES = ("precision", "recall", "f1", "string_f1")  # those of a label


@dataclass
class Counts:
    """What the metric counts of a label; add up for the micro average."""

    predicted: int = 0  # entities
    gold: int = 0
    correct: int = 0
    predicted_strings: int = 0  # distinct in a text
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
        """`precision`, `recall`, `f1` and the organisers' `string_f1`, 4 decimals; 0.0 for a ratio over nothing."""
        scores = {
            "precision": _ratio(self.correct, self.predicted),
            "recall": _ratio(self.correct, self.gold),
            # 2 P R / (P + R), where both have the same numerator
            "f1": _ratio(2 * self.correct, self.predicted + self.gold),
            "string_f1": self.string_f1,
        }
        return {name: round(value, 4) for name, value in scores.items()}

    @property
    def string_f1(self) -> float:
        return _ratio(2 * self.correct_strings, self.predicted_strings + self.gold_strings)


def score(gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Score records (`{"text", "label"}`): `{"precision", "recall", "f1", "macro_f1"}`, 4 decimals each.

    Records are matched by their exact text: of a repeated text the last one counts, predictions for texts that gold
    lacks do not, and a gold text without a prediction counts in recall. The mean is over the labels that gold has.
    """
    counts = per_label(gold_records, predicted_records)
    of_labels = [count.string_f1 for count in counts.values() if count.gold]
    scores = sum(counts.values(), Counts()).scores()
    del scores["string_f1"]
    return scores | {"macro_f1": round(_ratio(sum(of_labels), len(of_labels)), 4)}


def per_label(gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]) -> dict[str, Counts]:
    """Count like `score`, for each label on its own; the label with most gold entities first."""
    predictions = {record["text"]: record for record in predicted_records}
    counts: dict[str, Counts] = defaultdict(Counts)
    for text, record in {record["text"]: record for record in gold_records}.items():
        gold = set(entities(record))
        predicted = set(entities(predictions.get(text, {"label": {}})))
        for label in {label for label, *_ in gold | predicted}:
            ours = {entity for entity in predicted if entity[0] == label}
            theirs = {entity for entity in gold if entity[0] == label}
            our_strings = {string for _, string, *_ in ours}
            their_strings = {string for _, string, *_ in theirs}
            counts[label] += Counts(
                len(ours), len(theirs), len(ours & theirs),
                len(our_strings), len(their_strings), len(our_strings & their_strings),
            )  # fmt: skip
    return dict(sorted(counts.items(), key=lambda item: (-item[1].gold, item[0])))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
