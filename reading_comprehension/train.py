"""Config -> data -> model -> compile -> fit.

python reading_comprehension/train.py --config demo.json
"""

import sys
from collections import Counter
from pathlib import Path

from common.batching import bucketed_batches
from common.cli import UserError, print_counts, run_command, training_arguments
from common.config import load_config
from common.encoder import EncoderSource, resolve_encoder
from common.files import write_json
from common.run_folder import RunFolder, find_run, print_finished, start_run
from common.workers import as_worker, is_chief, select_strategy
from config import Config
from dataset import BATCHES, Question, check_ids, read_questions, to_features
from predict import predict
from report import write_report
from scoring import score

HERE = Path(__file__).resolve().parent


@as_worker()
def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    questions, dev = (read_questions(file) for file in (config.train_file, config.dev_file))
    check_ids(dev, config.dev_file)
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, questions, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, questions: list[Question], dev: list[Question], source: EncoderSource, folder: RunFolder
) -> None:
    counts = Counter()
    features = list(to_features(questions, source.tokenizer, config, counts))
    lengths = [len(feature.token_ids) for feature in features]
    print(f"{len(questions)} questions to train on in {len(features)} windows, {len(dev)} dev")
    print_counts(counts, sys.stdout)
    if not features:
        raise UserError(f"{config.train_file}: no question has an answer in its context")

    # TensorFlow is imported only here, when the input has been checked
    import tf_keras as keras

    from common.encoder import build_encoder, load_pretrained
    from common.inference import tensorflow_engine
    from common.optimizers import make_optimizer
    from common.training import Batches, Training, load_weights, set_precision
    from model import LOSSES, Extractor, build_model

    with select_strategy().scope():
        keras.utils.set_random_seed(config.seed)
        print("precision:", set_precision(config.precision))
        encoder = build_encoder(source.architecture, config.seed, config.dropout, recompute=int(config.recompute))
        load_pretrained(encoder, source)
        model = build_model(config.head, encoder, config.seed)
        steps = len(bucketed_batches(lengths, config.batch_size, config.seed, 0)) * config.epochs
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, LOSSES[config.head], accumulate=config.accumulate, jit_compile=config.xla)
        start_run(folder, config, source)
        training = Training(folder, model, config.checkpoint_steps)
    extractor = Extractor(model, config, tensorflow_engine)

    def predicted() -> dict[str, str]:
        answers = predict(dev, extractor, source.tokenizer, config)
        return {name: found[0].text if found else "" for name, found in answers}

    def dev_scores() -> dict[str, float]:
        scores = score(dev, predicted())
        return {name: scores[name] for name in ("F1", "EM")}

    for epoch in range(training.progress.epoch, config.epochs):
        order = bucketed_batches(lengths, config.batch_size, config.seed, epoch)
        batches = Batches(features, order, BATCHES[config.head], config.seed, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[training])
        training.score_epoch(dev_scores, best_by="F1")

    if not is_chief():
        return
    load_weights(model, folder.weights)
    write_report(folder.report, dev, predicted(), training.progress.history)
    best = max(training.progress.history, key=lambda row: row["F1"])
    write_json(folder.metrics, {"dev": {name: best[name] for name in ("F1", "EM")}, "epoch": best["epoch"]})


if __name__ == "__main__":
    run_command(main)
