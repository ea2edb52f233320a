"""Train a named entity model as a config says.

python examples/named_entities/train.py --config demo.json
"""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.batching import bucketed_batches
from common.cli import print_counts, run_command, training_arguments
from common.config import load_config
from common.devices import devices
from common.encoder import resolve_encoder, start_encoder
from common.encoder_source import EncoderSource
from common.inference import start_engines
from common.run_folder import RunFolder, find_run, print_finished
from common.thresholds import choose_thresholds, hold_out
from common.tokenizer import Tokenizer
from config import Config
from dataset import Features, to_example, to_features
from extraction import predict
from model import HEADS, Extractor, load_extractor
from reach import print_reach
from records import read_records, read_schema
from report import write_report
from scoring import per_label, score

if TYPE_CHECKING:
    from common.training import Training

HERE = Path(__file__).resolve().parent


def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    labels = read_schema(config.schema_file)
    records = list(read_records(config.train_file, labels=labels))
    dev = list(read_records(config.dev_file, labels=labels))
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, labels, records, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, labels: list[str], records: list[dict], dev: list[dict], source: EncoderSource, folder: RunFolder
) -> None:
    head = HEADS[config.head]
    records, kept = hold_out(records, config.threshold_share, config.seed)
    print(f"{len(records)} records to train on, {len(kept)} kept to choose the thresholds, {len(dev)} dev")
    features = read_features(config.train_file, records, source.tokenizer, labels, config)
    print_reach(dev, read_features(config.dev_file, dev, source.tokenizer, labels, config), labels, config)
    lengths = [len(feature.token_ids) for feature in features]

    # TensorFlow is imported here, after the input has been checked.
    from common.optimizers import make_optimizer
    from common.training import Training

    with devices():
        encoder = start_encoder(config, source)
        model = head.build(encoder, labels, config.seed)
        steps = config.epochs * len(bucketed_batches(lengths, config.batch_size, config.seed, epoch=0))
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, head.loss, accumulate=config.accumulate, jit_compile=config.xla)
        training = Training(folder, config, source, model)

    def collate(items: list[Features], rng: np.random.Generator) -> tuple[dict, dict]:
        return head.batch(items, rng, labels)

    def predict_all(gold: list[dict], extractor: Extractor) -> list[dict]:
        return list(predict(gold, extractor, source.tokenizer, labels, config))

    extractor = head.Extractor(start_engines(head.parts(model)), labels)
    for epoch in training.epochs(config.epochs):
        order = bucketed_batches(lengths, config.batch_size, config.seed, epoch)
        batches = training.batches(features, order, collate, epoch)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, callbacks=[training])
        training.score(lambda: score(dev, predict_all(dev, extractor)), best_by="f1")

    final = load_extractor(folder, config, source, labels)  # the best epoch, as predict.py runs it
    items = sum(count.gold for count in per_label(kept, kept).values())
    curves = choose_thresholds(final, lambda: score(kept, predict_all(kept, final)), items)
    write_results(training, dev, predict_all(dev, final), {"thresholds": final.thresholds, "f1_by_threshold": curves})


def read_features(
    path: str, records: list[dict], tokenizer: Tokenizer, labels: list[str], config: Config
) -> list[Features]:
    """Turn records of a file into features, and print what was cut or lost on the way."""
    counts: Counter[str] = Counter()
    examples = [to_example(record) for record in records]
    features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride, counts))
    print(f"{path}:")
    print_counts(counts, sys.stdout)
    return features


def write_results(training: "Training", dev: list[dict], predictions: list[dict], chosen: dict[str, Any]) -> None:
    """Write the report of a training and its final scores.

    Args:
        training: the training, with all its epochs done.
        dev: the records of the dev file.
        predictions: what the best weights predict for them at the chosen thresholds.
        chosen: the thresholds, and the scores on the kept records by which they were chosen.
    """
    made_with = training.made_with(chosen["thresholds"])
    write_report(training.folder.report, dev, predictions, history=training.history, made_with=made_with)
    training.finish(chosen | training.final_scores(score(dev, predictions)))


if __name__ == "__main__":
    run_command(main)
