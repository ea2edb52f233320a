"""Finds the gold entities that are out of reach: a model without mistakes does not find them."""

from typing import Any

from common.reach import Reach
from common.spans import Span
from config import Config
from dataset import Features
from decode import to_characters
from model import HEADS
from records import entities


def print_reach(records: list[dict[str, Any]], features: list[Features], labels: list[str], config: Config) -> None:
    """Print how many entities of the dev file are out of reach of the head, and warn if these are many.

    Args:
        records: the records of the dev file.
        features: their windows.
        labels: the labels of entities.
        config: names the head and the file.
    """
    head, reach = HEADS[config.head], Reach()
    found: list[set[tuple[str, Span]]] = [set() for _ in records]
    for feature in features:
        found[feature.example] |= to_characters(feature, head.perfect(feature, labels), labels)
    for number, (record, in_text) in enumerate(zip(records, found, strict=True), start=1):
        for label, string, first, last in entities(record):
            reached = (label, (first, last + 1)) in in_text
            reach.add(f"line {number}", [string], reached, record["text"].__contains__)
    reach.print(config.dev_file, "entities")
