"""Finds the events of official records with a model, for train.py and predict.py."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.inference import chunks, in_length_order
from common.run_folder import load_run, read_thresholds
from common.tokenizer import Tokenizer
from config import Config
from dataset import Example, to_features
from decode import Found, to_characters, to_events, to_record
from model import Extractor, load_extractor
from records import Labels, read_schema

# How many records are in memory at a time, and in a block for a worker. A larger number means less padding.
CHUNK = 2048


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Load the model of a run, and return a function that predicts official records. Each worker calls this once.

    The arguments are those of `common.cli.prediction_arguments`. Raises UserError if the folder is no finished run.
    """
    folder, config, source = load_run(args.model, Config)
    labels = Labels(read_schema(folder.schema))
    extractor = load_extractor(folder, config, source, labels, args.engine)
    extractor.thresholds = read_thresholds(folder, extractor.thresholds)
    return lambda records: predict(records, extractor, source.tokenizer, labels, config, args.batch_size)


def predict(
    records: Iterable[dict[str, Any]],
    extractor: Extractor,
    tokenizer: Tokenizer,
    labels: Labels,
    config: Config,
    batch_size: int = 64,
) -> Iterator[dict[str, Any]]:
    """Yield an official record for each given one, in order, with the events found in it. Memory use is constant.

    Args:
        records: only their `text` and `id` are read.
        extractor: finds the spans and links of windows.
        tokenizer: the encoder's tokenizer.
        labels: the labels that the model was built with.
        config: says how long the windows are and how far apart they start.
        batch_size: windows in a batch at most.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], ()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride))
        lengths = [len(feature.token_ids) for feature in features]
        found = [Found(set(), set()) for _ in chunk]
        for feature, tokens in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            to_characters(feature, tokens, found[feature.example])
        for record, in_text in zip(chunk, found, strict=True):
            yield to_record(record["id"], record["text"], to_events(in_text, labels))
