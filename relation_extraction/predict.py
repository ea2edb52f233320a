"""Run folder + official records without labels -> submission.

python relation_extraction/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python relation_extraction/predict.py --model RUN --text TEXT
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
from dataset import Example, Features, Labels, to_features
from decode import to_characters, to_record
from records import read_records, read_schema

# Records in memory at a time, and of a worker's block; the more, the less padding.
CHUNK = 2048


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text}])
        write_lines([in_words(triple) for triple in record["spo_list"]] or ["no triple found"])
        return
    load_run(args.model, Config)  # what is wrong with it or with the input shows before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = read_records(args.input, labelled=False)
    records = chain([next(records)], records)
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Official records -> the same with triples, by the model of a run. Each worker calls it once."""
    folder, config, source = load_run(args.model, Config)
    labels = Labels(read_schema(folder.schema))

    from model import load_extractor

    extractor = load_extractor(folder, config, source, labels, args.engine)
    return lambda records: predict(records, extractor, source.tokenizer, labels, config, args.batch_size)


def predict(
    records: Iterable[dict[str, Any]],
    extractor: Callable[[list[Features]], list],
    tokenizer: Tokenizer,
    labels: Labels,
    config: Config,
    batch_size: int = 64,
) -> Iterator[dict[str, Any]]:
    """Official records with predicted triples, one per record, in order, with constant memory.

    extractor: features of a batch -> relations between tokens, int [r, 5], for each.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], ()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride, Counter()))
        lengths = [len(feature.token_ids) for feature in features]
        found = [set() for _ in chunk]
        for feature, relations in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            found[feature.example] |= to_characters(feature, relations)
        for record, relations in zip(chunk, found, strict=True):
            yield to_record(record["text"], relations, labels, tied=config.head == "pair")


def in_words(triple: dict[str, Any]) -> str:
    slots = [f"{slot} {string}" for slot, string in triple["object"].items() if slot != "@value"]
    return f"{triple['predicate']}: {triple['subject']} → {' · '.join([triple['object']['@value'], *slots])}"


if __name__ == "__main__":
    run_command(main)
