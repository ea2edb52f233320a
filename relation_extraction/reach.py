"""Finds the gold triples that are out of reach: a model without mistakes does not find them."""

from functools import partial
from typing import Any

from common.reach import Reach
from config import Config
from dataset import Features
from decode import Relation, to_characters, to_record
from model import HEADS
from records import Labels
from scoring import compare, occurs


def print_reach(records: list[dict[str, Any]], features: list[Features], labels: Labels, config: Config) -> None:
    """Print how many triples of the dev file are out of reach of the head, and warn if these are many.

    Args:
        records: the records of the dev file.
        features: their windows.
        labels: the labels of relations and ties.
        config: names the head and the file.
    """
    head, reach = HEADS[config.head], Reach()
    found: list[set[Relation]] = [set() for _ in records]
    for feature in features:
        found[feature.example] |= to_characters(feature, head.perfect(feature, labels))
    for number, (record, in_text) in enumerate(zip(records, found, strict=True), start=1):
        back = to_record(record["text"], in_text, labels, tied=head.Extractor.has_ties)
        for triple, reached in compare(record["spo_list"], back["spo_list"], {})[0]:
            strings = [triple["subject"], *triple["object"].values()]
            reach.add(f"line {number}", strings, reached, partial(occurs, text=record["text"]))
    reach.print(config.dev_file, "triples")
