"""Config -> data -> model -> compile -> fit.

python event_extraction/train.py --config demo.json
"""

import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from common.batching import bucketed_batches
from common.cli import print_counts, run_command, training_arguments
from common.config import load_config
from common.encoder import EncoderSource, resolve_encoder
from common.files import write_json
from common.run_folder import RunFolder, find_run, print_finished, start_run
from common.workers import as_worker, is_chief, select_strategy
from config import Config
from dataset import BATCHES, Labels, count_untagged, to_example, to_features
from predict import predict
from records import read_labelled, read_schema
from report import write_report
from scoring import score

HERE = Path(__file__).resolve().parent


@as_worker()
def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    labels = Labels(read_schema(config.schema_file))
    records, dev = (list(read_labelled(file, labels.schema)) for file in (config.train_file, config.dev_file))
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, labels, records, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, labels: Labels, records: list[dict], dev: list[dict], source: EncoderSource, folder: RunFolder
) -> None:
    order = np.random.default_rng(config.seed).permutation(len(records))
    kept = [records[i] for i in order[: int(config.threshold_share * len(records))]]
    records = [records[i] for i in order[len(kept) :]]
    counts = Counter()
    examples = [to_example(record) for record in records]
    features = list(to_features(examples, source.tokenizer, labels, config.max_length, config.stride, counts))
    lengths = [len(feature.token_ids) for feature in features]
    counts["arguments lost: overlap another"] = count_untagged(features, labels) if config.head == "crf" else 0
    print(f"{len(records)} records to train on, {len(kept)} kept out of training, {len(dev)} dev")
    print_counts(counts, sys.stdout)

    # TensorFlow is imported only here, when the input has been checked
    import tf_keras as keras

    from common.encoder import build_encoder, load_pretrained
    from common.inference import tensorflow_engine
    from common.optimizers import make_optimizer
    from common.training import Batches, Training, choose_threshold, load_weights, set_precision
    from model import EXTRACTORS, LOSSES, build_model

    with select_strategy().scope():
        keras.utils.set_random_seed(config.seed)
        print("precision:", set_precision(config.precision))
        encoder = build_encoder(source.architecture, config.seed, config.dropout, recompute=int(config.recompute))
        load_pretrained(encoder, source)
        model = build_model(config.head, encoder, labels, config.seed)
        steps = len(bucketed_batches(lengths, config.batch_size, config.seed, 0)) * config.epochs
        rates = {"transitions": config.crf_learning_rate / config.learning_rate}
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables, rates)
        model.compile(optimizer, LOSSES[config.head], accumulate=config.accumulate, jit_compile=config.xla)
        start_run(folder, config, source)
        training = Training(folder, model, config.checkpoint_steps)
    extractor = EXTRACTORS[config.head](model, labels, tensorflow_engine)
    predicted = partial(predict, extractor=extractor, tokenizer=source.tokenizer, labels=labels, config=config)

    def evaluate(gold: list[dict]) -> dict[str, float]:
        return score(gold, predicted(gold))

    for epoch in range(training.progress.epoch, config.epochs):
        order = bucketed_batches(lengths, config.batch_size, config.seed, epoch)
        collate = partial(BATCHES[config.head], labels=labels)
        batches = Batches(features, order, collate, config.seed, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[training])
        training.score_epoch(partial(evaluate, dev), best_by="f1")

    if not is_chief():
        return
    load_weights(model, folder.weights)
    best = max(training.progress.history, key=lambda row: row["f1"])  # the epoch with these weights
    metrics = {"dev_at_default_threshold": {name: best[name] for name in score([], [])}}
    by_threshold = choose_threshold(extractor, lambda: evaluate(kept)["f1"]) if kept and extractor.thresholds else {}
    predictions = list(predicted(dev))
    write_report(folder.report, dev, predictions, history=training.progress.history)
    metrics |= {"threshold": extractor.threshold, "f1_by_threshold": by_threshold, "dev": score(dev, predictions)}
    write_json(folder.metrics, metrics)


if __name__ == "__main__":
    run_command(main)
