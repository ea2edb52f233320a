"""The metric of DuEE 1.0: micro precision, recall and F1 over arguments, each scored by the characters it shares.

The organisers describe the metric in words, without a script. A predicted argument scores [event type equal] x
[role equal] x character F1 with the gold argument. Case does not count. If the gold argument has several forms (its
aliases), the best one counts. The description leaves some points open. They are settled here as follows:

- An argument is one distinct lower-cased string of a (type, role) of a sentence, in gold and in predictions.
- The characters that two strings share are counted as multisets.
- A gold argument is paired with one prediction at most. The pairs are those with the largest sum of scores.
- Precision is this sum over the number of predicted arguments, recall the sum over the number of gold arguments.

`f1_lcs` counts the longest common subsequence instead of the multiset. Triggers and offsets do not count.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

SCORES = ("precision", "recall", "f1", "f1_lcs")
Arguments = dict[tuple[str, str], dict[str, set[str]]]  # (type, role) -> string -> its forms
Similarity = Callable[[str, str], float]


@dataclass
class Counts:
    """What the metric counts. Adding counts up gives the micro average."""

    predicted: int = 0  # distinct predicted arguments
    gold: int = 0  # distinct gold arguments
    shared: float = 0.0  # sum of the scores by characters as multisets
    shared_lcs: float = 0.0  # the same by longest common subsequences

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.predicted + other.predicted,
            self.gold + other.gold,
            self.shared + other.shared,
            self.shared_lcs + other.shared_lcs,
        )

    def scores(self) -> dict[str, float]:
        """Return `precision`, `recall`, `f1` and `f1_lcs`, rounded to 4 decimals. A ratio over nothing is 0.0."""
        scores = {
            "precision": _ratio(self.shared, self.predicted),
            "recall": _ratio(self.shared, self.gold),
            # This is 2 P R / (P + R), as P and R have the same numerator.
            "f1": _ratio(2 * self.shared, self.predicted + self.gold),
            "f1_lcs": _ratio(2 * self.shared_lcs, self.predicted + self.gold),
        }
        return {name: round(value, 4) for name, value in scores.items()}


def score(gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return `precision`, `recall`, `f1` and `f1_lcs` of official predictions, rounded to 4 decimals.

    Records need `id` and `event_list`, and are matched by `id`. If an id is repeated, its last record counts.
    Predictions for ids that gold lacks do not count. A gold record without a prediction lowers recall.
    """
    return sum(per_label(gold_records, predicted_records).values(), Counts()).scores()


def per_label(
    gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]
) -> dict[tuple[str, str], Counts]:
    """Count as `score` does, but separately for each (event type, role) that gold or the predictions have."""
    counts: dict[tuple[str, str], Counts] = defaultdict(Counts)
    for expected, predicted in _matched(gold_records, predicted_records):
        gold_arguments, arguments = distinct_arguments(expected), distinct_arguments(predicted)
        for label in gold_arguments.keys() | arguments.keys():
            forms, strings = list(gold_arguments[label].values()), list(arguments[label])
            counts[label] += Counts(
                len(strings),
                len(forms),
                float(assign(forms, strings)[2].sum()),
                float(assign(forms, strings, _subsequence_similarity)[2].sum()),
            )
    return dict(counts)


def by_type(counts: dict[tuple[str, str], Counts]) -> list[tuple[str, Counts, dict[str, Counts]]]:
    """Return each event type with the sum of its counts and the counts of its roles.

    The type with the most gold arguments is first.
    """
    types: dict[str, dict[str, Counts]] = defaultdict(dict)
    for (event_type, role), count in sorted(counts.items()):
        types[event_type][role] = count
    rows = [(event_type, sum(roles.values(), Counts()), roles) for event_type, roles in types.items()]
    return sorted(rows, key=lambda row: (-row[1].gold, row[0]))


def exact_events(
    gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]
) -> dict[str, float]:
    """Return `precision`, `recall` and `f1` of whole events, rounded to 4 decimals.

    An event is right if its type and its set of (role, string) are right. Case does not count, and an event that comes
    twice in a sentence counts once. Records are matched as in `score`.
    """
    right = predicted = gold = 0
    for expected_list, predicted_list in _matched(gold_records, predicted_records):
        expected = distinct_events(expected_list).keys()
        found = distinct_events(predicted_list).keys()
        right += len(expected & found)
        predicted += len(found)
        gold += len(expected)
    scores = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, gold),
        "f1": _ratio(2 * right, predicted + gold),
    }
    return {name: round(value, 4) for name, value in scores.items()}


def _matched(
    gold_records: Iterable[dict[str, Any]], predicted_records: Iterable[dict[str, Any]]
) -> Iterable[tuple[list, list]]:
    """Return the events of each gold record with those that were predicted for its id."""
    gold = {record["id"]: record["event_list"] for record in gold_records}
    predictions = {record["id"]: record["event_list"] for record in predicted_records}
    return [(events, predictions.get(name, [])) for name, events in gold.items()]


def distinct_arguments(events: list[dict[str, Any]]) -> Arguments:
    """Return the distinct arguments of a sentence.

    They are lower-cased strings by (type, role), each with the set of its forms: itself and its aliases, lower-cased.
    """
    arguments: Arguments = defaultdict(dict)
    for event in events:
        for argument in event["arguments"]:
            string = argument["argument"].lower()
            forms = arguments[event["event_type"], argument["role"]].setdefault(string, {string})
            forms.update(alias.lower() for alias in argument.get("alias", ()))
    return arguments


def occurs(argument: str, text: str) -> bool:
    """Tell whether some part of a text equals an argument, without regard to case."""
    return bool(argument) and argument.lower() in text.lower()


def distinct_events(events: list[dict[str, Any]]) -> dict[tuple[str, frozenset[tuple[str, str]]], dict[str, Any]]:
    """Return the distinct events of a sentence, by type and set of (role, lower-cased string).

    If several events are the same, the last one is returned.
    """
    return {
        (event["event_type"], frozenset((a["role"], a["argument"].lower()) for a in event["arguments"])): event
        for event in events
    }


def character_f1(a: str, b: str) -> float:
    """Return the F1 of two strings as multisets of characters.

    >>> character_f1("天天地", "天")
    0.5
    """
    if a == b:
        return 1.0
    return _ratio(2 * (Counter(a) & Counter(b)).total(), len(a) + len(b))


def assign(
    gold: list[set[str]], predicted: list[str], similarity: Similarity = character_f1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair gold arguments with predictions so that the sum of their similarities is largest.

    Args:
        gold: the forms of each gold argument.
        predicted: the predicted strings.
        similarity: compares a form and a predicted string. The best form of an argument counts.

    Returns:
        The pairs: indices into `gold`, indices into `predicted`, and similarities, some of which may be 0. Each gold
        argument and each prediction is in one pair at most.
    """
    if not gold or not predicted:
        return (np.empty(0, int), np.empty(0, int), np.empty(0))
    scores = np.array([[max(similarity(form, string) for form in forms) for string in predicted] for forms in gold])
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return rows, columns, scores[rows, columns]


def _subsequence_similarity(a: str, b: str) -> float:
    if a == b:
        return 1.0
    # Entry j is the length of the longest common subsequence of b[:j] and the characters of a that were read so far.
    longest = [0] * (len(b) + 1)
    for character in a:
        diagonal = 0
        for j, other in enumerate(b, start=1):
            above = longest[j]
            longest[j] = diagonal + 1 if character == other else max(above, longest[j - 1])
            diagonal = above
    return _ratio(2 * longest[-1], len(a) + len(b))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
