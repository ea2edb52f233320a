"""The report of event extraction: scores by event type and role, and each sentence with its arguments and events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.report import Fact, Item, Part, Report, Table, by_size, table_of_parts, write
from common.spans import Span, find
from scoring import SCORES, Arguments, assign, by_type, distinct_arguments, distinct_events, per_label, score

KINDS = {
    "correct": "right",
    "partial": "partial",  # shares characters with the gold argument of its role with which the metric pairs it
    "other role": "wrong",  # gold has the string in another role of the event type
    "other event type": "wrong",  # gold has the string in an event of another type
    "not in gold": "wrong",
    "missed": "missed",
    "event correct": "right",  # whole events: type and all arguments
    "event not in gold": "wrong",
    "event missed": "missed",
}
LENGTHS = (25, 50, 75, 100, 150, 200)  # bounds between the groups of texts by length, in characters
Records = Sequence[dict[str, Any]]


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
        gold: official records with texts.
        predictions: official records, matched with gold by `id`.
        history: the epochs of a training, for its curves.
        made_with: what `Training.made_with` says, if this is the end of a training.

    Raises:
        UserError: if the folder cannot be written to.
    """
    gold = list({record["id"]: record for record in gold}.values())  # if an id is repeated, the last record counts
    found = {record["id"]: record["event_list"] for record in predictions}

    def scores(part: Records) -> dict[str, float]:
        return score(part, predictions)

    by_label = []
    for event_type, total, roles in by_type(per_label(gold, predictions)):
        by_label.append((event_type, *total.scores().values(), total.gold))
        by_label += [(_label(event_type, role), *count.scores().values(), count.gold) for role, count in roles.items()]
    by_length = by_size(gold, lambda record: len(record["text"]), LENGTHS)
    by_number = by_size(gold, lambda record: len(record["event_list"]), (1, 2, 3, 4))
    tables = [
        Table("labels", "By event type and role", SCORES, by_label),
        table_of_parts("text_length", "By characters of the text", SCORES, by_length, scores),
        table_of_parts("gold_items", "By number of gold events", SCORES, by_number, scores),
    ]
    items = [Item(r["text"], facts(r["text"], r["event_list"], found.get(r["id"], []))) for r in gold]
    write(Report("Event extraction", scores(gold), KINDS, tables, items, history, made_with), folder)


def facts(text: str, gold: list[dict[str, Any]], predicted: list[dict[str, Any]]) -> list[Fact]:
    """Return the distinct arguments of a sentence, paired as the metric pairs them, and then its whole events.

    Args:
        text: the sentence.
        gold: its events.
        predicted: the events that were predicted for it.
    """
    expected, found = distinct_arguments(gold), distinct_arguments(predicted)
    places = _places(text, gold)
    facts = []
    for event_type, role in dict.fromkeys([*expected, *found]):
        facts += _argument_facts(text, (event_type, role), expected, found, places)
    expected_events, found_events = distinct_events(gold), distinct_events(predicted)
    for key, event in found_events.items():
        kind = "event correct" if key in expected_events else "event not in gold"
        facts.append(_event_fact(text, kind, expected_events.get(key, event)))
    facts += [
        _event_fact(text, "event missed", event) for key, event in expected_events.items() if key not in found_events
    ]
    return facts


def _argument_facts(
    text: str, label: tuple[str, str], expected: Arguments, found: Arguments, places: dict[tuple[str, str, str], Span]
) -> list[Fact]:
    """Return the predicted arguments of a (type, role), and then the gold arguments without a prediction."""
    gold, predicted = expected.get(label, {}), list(found.get(label, {}))
    strings, facts = list(gold), []
    pairs = zip(*assign(list(gold.values()), predicted), strict=True)
    partner = {predicted[j]: (strings[i], similarity) for i, j, similarity in pairs if similarity}

    def part(name: str, string: str, theirs: str) -> Part:
        return Part(name, *_written(text, string, places.get((*label, theirs))))

    for string in predicted:
        theirs, similarity = partner.get(string, ("", 0.0))
        parts, note = [part("", string, theirs)], ""
        if similarity == 1:
            kind = "correct"
        elif similarity:
            kind, note = "partial", f"F1 {similarity:.2f}"
            parts.append(part("gold", theirs, theirs))
        else:
            kind = _wrong_kind(label, string, expected)
        facts.append(Fact(kind, _label(*label), parts, note))
    missed = gold.keys() - {theirs for theirs, _ in partner.values()}
    facts += [Fact("missed", _label(*label), [part("", string, string)]) for string in strings if string in missed]
    return facts


def _wrong_kind(label: tuple[str, str], string: str, expected: Arguments) -> str:
    holds = {other for other, forms in expected.items() if any(string in form for form in forms.values())} - {label}
    if any(event_type == label[0] for event_type, _ in holds):
        return "other role"
    return "other event type" if holds else "not in gold"


def _event_fact(text: str, kind: str, event: dict[str, Any]) -> Fact:
    trigger = event.get("trigger")
    parts = [Part(argument["role"], argument["argument"], []) for argument in event["arguments"]]
    if isinstance(trigger, str):
        place = _at(text, trigger, event.get("trigger_start_index"))
        parts.insert(0, Part("trigger", trigger, [place] if place else []))
    return Fact(kind, event["event_type"], parts)


def _label(event_type: str, role: str) -> str:
    return f"{event_type} / {role}"


def _places(text: str, events: list[dict[str, Any]]) -> dict[tuple[str, str, str], Span]:
    """Return where arguments stand: (type, role, lower-cased string) -> the first of its places."""
    places: dict[tuple[str, str, str], Span] = {}
    for event in events:
        for argument in event["arguments"]:
            if place := _at(text, argument["argument"], argument.get("argument_start_index")):
                places.setdefault((event["event_type"], argument["role"], argument["argument"].lower()), place)
    return places


def _at(text: str, string: str, start: Any) -> Span | None:
    """Return the place of a string in the text. If `start` is wrong or missing, it is the first occurrence."""
    if type(start) is int and start >= 0 and string and text[start : start + len(string)] == string:
        return start, start + len(string)
    return next(iter(find(text, string)), None)


def _written(text: str, string: str, near: Span | None) -> tuple[str, list[Span]]:
    """Return a lower-cased string as the text writes it, with its place there.

    If it occurs several times, the place is the one nearest to `near`, or the first one if `near` is None.
    """
    # Lower-casing may change the length of a text ("İ"). Then places in the lower-cased text are not those of the text.
    spans = find(text.lower(), string) if len(text.lower()) == len(text) else find(text, string)
    if not spans:
        return string, []
    start, end = spans[0] if near is None else min(spans, key=lambda span: abs(span[0] - near[0]))
    return text[start:end], [(start, end)]
