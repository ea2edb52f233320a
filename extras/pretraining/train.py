"""Train an encoder as a masked-language model on plain text, as a config says.

python extras/pretraining/train.py --config demo.json
"""

from itertools import chain, islice
from pathlib import Path

import numpy as np

from common.cli import UserError, run_command, training_arguments
from common.config import find_files, load_config
from common.devices import devices
from common.encoder import resolve_encoder, save_encoder
from common.encoder_source import EncoderSource
from common.inference import tensorflow_engine
from common.run_folder import RunFolder, find_run, print_finished
from config import Config
from dataset import HELD_OUT, Features, Text, Windows, file_weights, passes, read_corpus, to_corpus

HERE = Path(__file__).resolve().parent


def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    files = find_files(config.train_file)
    text = Text(files, "all" if config.dev_file else "train")
    dev = Text(find_files(config.dev_file)) if config.dev_file else Text(files, "dev")
    weights = file_weights(files, config.weights)
    if not text.digest[0] or not dev.digest[0]:  # reads everything
        raise UserError(
            f"{config.train_file}: no passage for dev, as no file has {HELD_OUT} passages; "
            "expected a longer file or a dev_file"
        )
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, text, weights, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, text: Text, weights: list[float], dev: Text, source: EncoderSource, folder: RunFolder
) -> None:
    check_tokens(config, text, weights, dev, source)

    # TensorFlow is imported only now that the input has been checked.
    import masked
    import replaced
    from common.optimizers import make_optimizer
    from common.training import Training

    objective = {"masked": masked, "replaced": replaced}[config.objective]
    with devices():
        encoder, model = objective.start(config, source)
        steps = config.epochs * config.epoch_steps
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, objective.loss, accumulate=config.accumulate, jit_compile=config.xla)
        training = Training(folder, config, source, model)
    engine = tensorflow_engine(model)
    windows, dev_windows = read_windows(config, text, weights, dev, source, folder)

    def collate(features: list[Features], rng: np.random.Generator) -> tuple[dict, np.ndarray]:
        return objective.batch(features, rng, source.tokenizer, config.whole_words)

    def evaluate() -> dict[str, float]:
        scores = objective.score(engine, dev_windows, source.tokenizer)
        if scores["accuracy"] > training.progress.best:
            save_encoder(encoder, source, folder.path / "encoder", config.half_precision)
        return scores

    for epoch in training.epochs(config.epochs):
        order = epoch_batches(windows, weights, config, epoch)
        batches = training.batches(windows, order, collate, epoch)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, callbacks=[training])
        training.score(evaluate, best_by="accuracy")

    best = training.best_row
    training.finish({"dev": {name: best[name] for name in objective.SCORES}, "epoch": best["epoch"]})


def read_windows(
    config: Config, text: Text, weights: list[float], dev: Text, source: EncoderSource, folder: RunFolder
) -> tuple[Windows, Windows]:
    """Make the windows to train on and those of dev. Print how many steps a pass over the text takes."""
    corpus = read_corpus(text, source.tokenizer, folder.path / "corpus.npz")
    windows = Windows(corpus, source.tokenizer, config.max_length, config.stride)
    of_dev = Windows(to_corpus(dev, source.tokenizer), source.tokenizer, config.max_length, config.stride)
    one_pass = next(passes(windows, weights, config.batch_size, config.max_length, config.seed))
    print(f"a pass over the text takes {len(one_pass)} steps, the training {config.epochs * config.epoch_steps}")
    return windows, of_dev


def epoch_batches(windows: Windows, weights: list[float], config: Config, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch. They start where the previous epoch ended, even within a pass over the text."""
    every = chain.from_iterable(passes(windows, weights, config.batch_size, config.max_length, config.seed))
    return list(islice(every, epoch * config.epoch_steps, (epoch + 1) * config.epoch_steps))


def check_tokens(config: Config, text: Text, weights: list[float], dev: Text, source: EncoderSource) -> None:
    """Print how much text there is. Raise UserError if there is no token to train on, or none in dev."""
    trained_on = (passage for number, passage in text if weights[number])
    of_dev = (passage for _, passage in dev)
    for passages, fault in (
        (trained_on, f"{config.train_file}: no token to train on"),
        (of_dev, f"{config.dev_file or config.train_file}: no token in dev"),
    ):
        if not any(len(encoding.ids) for encoding in source.tokenizer.encode(passages)):
            raise UserError(fault)
    print(f"{text.digest[0]} passages of {len(text.files)} files to train on, {dev.digest[0]} dev")


if __name__ == "__main__":
    run_command(main)
