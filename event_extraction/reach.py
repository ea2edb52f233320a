"""Finds the gold arguments that are out of reach: a model without mistakes does not find them."""

from functools import partial
from typing import Any

from common.reach import Reach
from config import Config
from dataset import Features
from decode import Found, to_characters, to_events, to_record
from model import HEADS
from records import Labels
from scoring import distinct_arguments, occurs


def print_reach(records: list[dict[str, Any]], features: list[Features], labels: Labels, config: Config) -> None:
    """Print how many arguments of the dev file are out of reach of the head, and warn if these are many.

    Args:
        records: the records of the dev file.
        features: their windows.
        labels: the labels of spans and links.
        config: names the head and the file.
    """
    head, reach = HEADS[config.head], Reach()
    found = [Found(set(), set()) for _ in records]
    for feature in features:
        to_characters(feature, head.perfect(feature, labels), found[feature.example])
    for number, (record, in_text) in enumerate(zip(records, found, strict=True), start=1):
        back = to_record(record["id"], record["text"], to_events(in_text, labels))
        gold, predicted = distinct_arguments(record["event_list"]), distinct_arguments(back["event_list"])
        for event in record["event_list"]:
            for argument in event["arguments"]:
                string, label = argument["argument"], (event["event_type"], argument["role"])
                reached = not gold[label][string.lower()].isdisjoint(predicted[label])
                reach.add(f"line {number}", [string], reached, partial(occurs, text=record["text"]))
    reach.print(config.dev_file, "arguments")
