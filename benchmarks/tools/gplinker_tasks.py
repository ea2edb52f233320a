"""What GPLinker has to know of a task: its labels and targets, and the way from spans and links to official records.

The files of the task folder are imported when a task is made, so its folder has to be on the path by then.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from tools.linking import (
    Found,
    Targets,
    event_targets,
    find_links,
    perfect_scores,
    relation_targets,
    to_events,
    to_relations,
)

from common.spans import text_spans
from common.tokenizer import Tokenizer

Records = list[dict[str, Any]]


class Task(Protocol):
    """A task as GPLinker sees it. `features` are the task's own."""

    config: Any  # of the task itself, as are the labels
    tokenizer: Tokenizer
    labels: Any
    sizes: list[int]  # how many labels each of GPLinker's heads has
    directed: bool  # whether its links have a direction

    def read(self, path: str) -> Records:
        """Read labelled records."""

    def targets(self, records: Records, features: list[Any]) -> list[Targets]:
        """Return the targets of each window of labelled records."""

    def decode(self, feature: Any, found: Found) -> set[Hashable]:
        """Return what was found in a window in characters."""

    def to_record(self, record: dict[str, Any], found: set[Any]) -> dict[str, Any]:
        """Return the official record of what was found in the windows of a text."""

    def scores(self, gold: Records, predictions: Records) -> dict[str, float]:
        """Return the official scores."""


class Relations:
    """Relation extraction. A slot of an object is a relation of its own, and belongs to the nearest `@value`."""

    directed = True

    def __init__(self, config: Any, tokenizer: Tokenizer):
        from records import Labels
        from schema import read_schema

        self.config, self.tokenizer = config, tokenizer
        self.labels = Labels(read_schema(config.schema_file))
        self.sizes = [2, *[len(self.labels.relations)] * 2]

    def read(self, path: str) -> Records:
        from records import read_records

        return list(read_records(path, schema=self.labels.schema))

    def targets(self, records: Records, features: list[Any]) -> list[Targets]:
        n = self.sizes[1]  # the labels that follow are those of ties
        return [relation_targets(feature.relations[feature.relations[:, 0] < n]) for feature in features]

    def decode(self, feature: Any, found: Found) -> set[Hashable]:
        from decode import to_characters

        return to_characters(feature, to_relations(found))

    def to_record(self, record: dict[str, Any], found: set[Any]) -> dict[str, Any]:
        from decode import to_record

        return to_record(record["text"], found, self.labels, tied=False)

    def scores(self, gold: Records, predictions: Records) -> dict[str, float]:
        from scoring import score

        return score(gold, predictions)


class Events:
    """Event extraction. An event without a trigger counts, as in the task's own heads."""

    directed = False

    def __init__(self, config: Any, tokenizer: Tokenizer):
        from records import Labels, read_schema

        self.config, self.tokenizer = config, tokenizer
        self.labels = Labels(read_schema(config.schema_file))
        self.sizes = [len(self.labels), 1, 1]

    def read(self, path: str) -> Records:
        from records import read_labelled

        return list(read_labelled(path, self.labels.schema))

    def targets(self, records: Records, features: list[Any]) -> list[Targets]:
        from dataset import Example, to_example

        # A feature does not tell events apart that share a trigger. So each event is cut into windows on its own.
        examples = enumerate(to_example(record) for record in records)
        single = [(i, Example(example.text, (event,))) for i, example in examples for event in example.events]
        events: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
        for number, feature in _numbered(_features([example for _, example in single], self)):
            events[single[feature.example][0], number].append(feature.spans)
        return [event_targets(events[feature.example, number]) for number, feature in _numbered(features)]

    def decode(self, feature: Any, found: Found) -> set[Hashable]:
        from dataset import Event
        from records import TRIGGER

        events: set[Hashable] = set()
        for spans in to_events(found, self.labels.trigger):
            _, characters = text_spans(spans[:, 1:], feature.offsets)  # no span touches [CLS] or [SEP]
            named = [self.labels.names[label] for label in spans[:, 0]]
            roles = [(role, tuple(span)) for (_, role), span in zip(named, characters.tolist(), strict=True)]
            trigger = next((span for role, span in roles if role == TRIGGER), None)
            arguments = frozenset((role, span) for role, span in roles if role != TRIGGER)
            events.add(Event(named[0][0], trigger, arguments))
        return events

    def to_record(self, record: dict[str, Any], found: set[Any]) -> dict[str, Any]:
        from decode import to_record

        return to_record(record["id"], record["text"], found)

    def scores(self, gold: Records, predictions: Records) -> dict[str, float]:
        from scoring import exact_events, score

        return score(gold, predictions) | {"whole events": exact_events(gold, predictions)["f1"]}


TASKS: dict[str, type[Relations] | type[Events]] = {"relation_extraction": Relations, "event_extraction": Events}


def featurise(task: Task, records: Records, labelled: bool = True) -> list[Any]:
    """Cut records into windows, as the task itself does."""
    from dataset import Example, to_example

    examples = [to_example(record) if labelled else Example(record["text"], ()) for record in records]
    return _features(examples, task)


def to_records(task: Task, records: Records, features: list[Any], found: Sequence[Found]) -> Records:
    """Return an official record for each given one, from what was found in its windows."""
    in_text: list[set[Hashable]] = [set() for _ in records]
    for feature, of_window in zip(features, found, strict=True):
        in_text[feature.example] |= task.decode(feature, of_window)
    return [task.to_record(record, of_text) for record, of_text in zip(records, in_text, strict=True)]


def perfect(task: Task, records: Records) -> Records:
    """Return what a model without mistakes predicts for labelled records: targets, and their decoding."""
    features = featurise(task, records)
    found = [
        find_links(perfect_scores(targets, task.sizes, len(feature.token_ids)), task.directed, threshold=0.5)
        for feature, targets in zip(features, task.targets(records, features), strict=True)
    ]
    return to_records(task, records, features, found)


def _features(examples: list[Any], task: Task) -> list[Any]:
    from dataset import to_features

    config = task.config
    return list(to_features(examples, task.tokenizer, task.labels, config.max_length, config.stride))


def _numbered(features: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each window with its number among those of its text."""
    for _, windows in groupby(features, attrgetter("example")):
        yield from enumerate(windows)
