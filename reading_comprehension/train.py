"""Train a reading comprehension model as a config says.

python reading_comprehension/train.py --config demo.json
"""

import sys
from collections import Counter
from pathlib import Path

from common.batching import bucketed_batches
from common.cli import UserError, print_counts, run_command, training_arguments
from common.config import load_config
from common.devices import devices
from common.encoder import resolve_encoder, start_encoder
from common.encoder_source import EncoderSource
from common.inference import start_engines
from common.run_folder import RunFolder, find_run, print_finished
from common.tokenizer import Tokenizer
from config import Config
from dataset import Features, to_features
from extraction import predict
from model import HEADS, Extractor, load_extractor
from reach import print_reach
from records import Question, check_ids, read_questions
from report import write_report
from scoring import SCORES, score

HERE = Path(__file__).resolve().parent


def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    questions = read_questions(config.train_file)
    dev = read_questions(config.dev_file)
    check_ids(dev, config.dev_file)
    source = resolve_encoder(config.encoder, config.max_length, config.gelu, segments=2)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, questions, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, questions: list[Question], dev: list[Question], source: EncoderSource, folder: RunFolder
) -> None:
    head = HEADS[config.head]
    features = read_features(config.train_file, questions, source.tokenizer, config)
    if not features:
        raise UserError(f"{config.train_file}: no question has an answer in its context")
    print_reach(dev, read_features(config.dev_file, dev, source.tokenizer, config), config)
    print(f"{len(questions)} questions to train on in {len(features)} windows, {len(dev)} dev")
    lengths = [len(feature.token_ids) for feature in features]

    # TensorFlow is imported only now that the input has been checked.
    from common.optimizers import make_optimizer
    from common.training import Training

    with devices():
        encoder = start_encoder(config, source)
        model = head.build(encoder, config.seed)
        steps = config.epochs * len(bucketed_batches(lengths, config.batch_size, config.seed, epoch=0))
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, head.loss, accumulate=config.accumulate, jit_compile=config.xla)
        training = Training(folder, config, source, model)

    def predict_all(extractor: Extractor) -> dict[str, str]:
        answers = predict(dev, extractor, source.tokenizer, config)
        return {name: found[0].text if found else "" for name, found in answers}

    extractor = head.Extractor(start_engines(head.parts(model)), config.max_answer_tokens)
    for epoch in training.epochs(config.epochs):
        order = bucketed_batches(lengths, config.batch_size, config.seed, epoch)
        batches = training.batches(features, order, head.batch, epoch)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, callbacks=[training])
        training.score(lambda: f1_and_em(score(dev, predict_all(extractor))), best_by="F1")

    answers = predict_all(load_extractor(folder, config, source))  # the best epoch, run as predict.py runs it
    write_report(folder.report, dev, answers, training.history, training.made_with({}))
    training.finish(training.final_scores(f1_and_em(score(dev, answers))))


def read_features(path: str, questions: list[Question], tokenizer: Tokenizer, config: Config) -> list[Features]:
    """Make the features of a file's questions, and print what was cut or lost on the way."""
    counts: Counter[str] = Counter()
    features = list(to_features(questions, tokenizer, config, counts))
    print(f"{path}:")
    print_counts(counts, sys.stdout)
    return features


def f1_and_em(row: dict) -> dict[str, float]:
    return {name: row[name] for name in SCORES}


if __name__ == "__main__":
    run_command(main)
