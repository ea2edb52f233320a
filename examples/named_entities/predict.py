"""Run folder + records without labels -> the records with their entities.

python examples/named_entities/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python examples/named_entities/predict.py --model RUN --text TEXT
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from tqdm import tqdm

from common.cli import prediction_arguments, run_command
from common.files import check_output_path, write_jsonl, write_lines
from common.inference import chunks, in_length_order
from common.run_folder import load_run
from common.scale_out import predicted
from common.tokenizer import Tokenizer
from config import Config
from dataset import Example, Features, to_features
from decode import to_characters, to_record
from records import entities, read_records, read_schema

# Records in memory at a time, and of a worker's block; the more, the less padding.
CHUNK = 2048


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text}])
        write_lines([f"{label}: {string}" for label, string, *_ in entities(record)] or ["no entity found"])
        return
    load_run(args.model, Config)  # what is wrong with it or with the input shows before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = read_records(args.input, labelled=False)
    records = chain([next(records)], records)
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Records -> the same with entities, by the model of a run. Each worker calls it once."""
    folder, config, source = load_run(args.model, Config)
    labels = read_schema(folder.schema)

    from model import load_extractor

    extractor = load_extractor(folder, config, source, labels, args.engine)
    return lambda records: predict(records, extractor, source.tokenizer, labels, config, args.batch_size)


def predict(
    records: Iterable[dict[str, Any]],
    extractor: Callable[[list[Features]], list],
    tokenizer: Tokenizer,
    labels: list[str],
    config: Config,
    batch_size: int = 64,
) -> Iterator[dict[str, Any]]:
    """Records with predicted entities, one per record, in order, with constant memory.

    extractor: features of a batch -> spans of tokens for each.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], frozenset()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride, Counter()))
        lengths = [len(feature.token_ids) for feature in features]
        found = [set() for _ in chunk]
        for feature, spans in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            found[feature.example] |= to_characters(feature, spans, labels)
        for record, in_text in zip(chunk, found, strict=True):
            yield to_record(record, in_text)


if __name__ == "__main__":
    run_command(main)
