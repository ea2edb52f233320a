"""Finds the entities of records with a model, for train.py and predict.py."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.inference import chunks, in_length_order
from common.run_folder import load_run, read_thresholds
from common.spans import Span
from common.tokenizer import Tokenizer
from config import Config
from dataset import Example, to_features
from decode import to_characters, to_record
from model import Extractor, load_extractor
from records import read_schema

# How many records are in memory at a time, and in a block for a worker. A larger number means less padding.
CHUNK = 2048


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Load the model of a run and return the function that predicts records. Each worker calls this once.

    args: as `common.cli.prediction_arguments` returns them. Raises UserError if the folder holds no finished run.
    """
    folder, config, source = load_run(args.model, Config)
    labels = read_schema(folder.schema)
    extractor = load_extractor(folder, config, source, labels, args.engine)
    extractor.thresholds = read_thresholds(folder, extractor.thresholds)
    return lambda records: predict(records, extractor, source.tokenizer, labels, config, args.batch_size)


def predict(
    records: Iterable[dict[str, Any]],
    extractor: Extractor,
    tokenizer: Tokenizer,
    labels: list[str],
    config: Config,
    batch_size: int = 64,
) -> Iterator[dict[str, Any]]:
    """Yield each record with its entities, in order. The memory needed is constant.

    Args:
        records: records with `text`. A `label` is replaced, and the other keys stay.
        extractor: finds the spans of windows.
        tokenizer: cuts the texts into tokens.
        labels: the labels that the extractor was trained for.
        config: says how long the windows are and how far apart they start.
        batch_size: the most windows in a batch.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], frozenset()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride))
        lengths = [len(feature.token_ids) for feature in features]
        found: list[set[tuple[str, Span]]] = [set() for _ in chunk]
        for feature, spans in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            found[feature.example] |= to_characters(feature, spans, labels)
        for record, in_text in zip(chunk, found, strict=True):
            yield to_record(record, in_text)
