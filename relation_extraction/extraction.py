"""Official records -> the same with what a model finds in them; for train.py and predict.py."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.inference import chunks, in_length_order
from common.run_folder import load_run
from common.tokenizer import Tokenizer
from config import Config
from dataset import Example, to_features
from decode import to_characters, to_record
from model import load_extractor
from records import Labels, read_schema

# Records in memory at a time, and of a worker's block; the more, the less padding.
CHUNK = 2048


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Loads the model of a run and returns what predicts official records. Each worker calls it once.

    args: of `common.cli.prediction_arguments`. Raises UserError for a folder that is no finished run.
    """
    folder, config, source = load_run(args.model, Config)
    labels = Labels(read_schema(folder.schema))
    extractor = load_extractor(folder, config, source, labels, args.engine)
    return lambda records: predict(records, extractor, source.tokenizer, labels, config, args.batch_size)


def predict(
    records: Iterable[dict[str, Any]],
    extractor: Any,
    tokenizer: Tokenizer,
    labels: Labels,
    config: Config,
    batch_size: int = 64,
) -> Iterator[dict[str, Any]]:
    """Finds the triples of official records. Each record has one result, in order. The memory needed is constant.

    extractor: a head's; features of a batch -> relations between tokens, int [r, 5], for each.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], ()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride))
        lengths = [len(feature.token_ids) for feature in features]
        found = [set() for _ in chunk]
        for feature, relations in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            found[feature.example] |= to_characters(feature, relations)
        for record, relations in zip(chunk, found, strict=True):
            yield to_record(record["text"], relations, labels, tied=extractor.has_ties)
