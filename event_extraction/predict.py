"""Run folder + official records without labels -> submission.

python event_extraction/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python event_extraction/predict.py --model RUN --text TEXT
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
from decode import Found, to_characters, to_events, to_record
from records import read_inputs, read_schema

# Records in memory at a time, and of a worker's block; the more, the less padding.
CHUNK = 2048


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text, "id": ""}])
        write_lines([in_words(event) for event in record["event_list"]] or ["no event found"])
        return
    load_run(args.model, Config)  # what is wrong with it or with the input shows before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = read_inputs(args.input)
    records = chain([next(records)], records)
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[dict[str, Any]]], Iterator[dict[str, Any]]]:
    """Official records -> the same with events, by the model of a run. Each worker calls it once."""
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
    """Official records with predicted events, one per record, in order, with constant memory.

    extractor: features of a batch -> spans and links between tokens for each.
    """
    for chunk in chunks(records, CHUNK):
        examples = [Example(record["text"], ()) for record in chunk]
        features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride, Counter()))
        lengths = [len(feature.token_ids) for feature in features]
        found = [Found(set(), set()) for _ in chunk]
        for feature, tokens in zip(features, in_length_order(features, lengths, extractor, batch_size), strict=True):
            to_characters(feature, tokens, found[feature.example])
        for record, in_text in zip(chunk, found, strict=True):
            yield to_record(record["id"], record["text"], to_events(in_text, labels))


def in_words(event: dict[str, Any]) -> str:
    return f"{event['event_type']}: " + " · ".join(f"{a['role']} {a['argument']}" for a in event["arguments"])


if __name__ == "__main__":
    run_command(main)
