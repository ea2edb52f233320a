"""Train a model on groups of similar questions.

python extras/similar_questions/train.py --config demo.json
"""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from common.batching import Batches, bucketed_batches
from common.cli import UserError, print_counts, run_command, training_arguments
from common.config import load_config
from common.devices import devices, rounding
from common.encoder import resolve_encoder, start_encoder
from common.encoder_source import EncoderSource
from common.inference import tensorflow_engine
from common.run_folder import RunFolder, find_run, print_finished
from config import Config
from dataset import KEPT_OUT, Group, pair_batch, read_groups, split, to_features, tokenize
from embed import embed
from scoring import score_groups

SCORES = ("dev_loss", "generation_loss", "similarity_loss", "mrr", "recall@1", "recall@10")
HERE = Path(__file__).resolve().parent


def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    counts: Counter[str] = Counter()
    groups = read_groups(config.train_file, counts)
    if config.dev_file:
        dev = read_groups(config.dev_file, counts)
    else:
        groups, dev = split(groups)
        if not (groups and dev):
            raise UserError(
                f"{config.train_file}: too few groups to keep some for dev; expected {KEPT_OUT} that share no question,"
                " or a dev_file in the config"
            )
    source = resolve_encoder(config.encoder, config.max_length, config.gelu, segments=2)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, groups, dev, source, folder, counts)
    print_finished(folder)


def train(
    config: Config, groups: list[Group], dev: list[Group], source: EncoderSource, folder: RunFolder, counts: Counter
) -> None:
    tokens = to_tokens(config, groups, dev, source, counts)

    # TensorFlow is imported only now, when the input has been checked.
    from common.optimizers import make_optimizer
    from common.training import Training
    from model import build_model, loss, mean_losses, question_model

    collate = partial(pair_batch, tokenizer=source.tokenizer)

    def batches_of(groups: list[Group], epoch: int, skip: int = 0) -> Batches:
        features = to_features(groups, tokens, np.random.default_rng((config.seed, epoch)))  # other pairs in each epoch
        order = bucketed_batches(list(map(len, features)), config.batch_size, config.seed, epoch)
        # The similarity loss compares all rows of a batch, so none may be filled up.
        return Batches(features, order, collate, (config.seed, epoch), skip, rounding(config)._replace(rows=0))

    with devices():
        encoder = start_encoder(config, source, with_mlm=True, unilm=True)
        model = build_model(encoder, config.seed)
        steps = config.epochs * len(batches_of(groups, epoch=0))
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, loss, accumulate=config.accumulate, jit_compile=config.xla)
        training = Training(folder, config, source, model)
    losses, engine = mean_losses(model), tensorflow_engine(question_model(encoder))
    dev_batches, questions = batches_of(dev, epoch=0), questions_of(dev)

    def evaluate() -> dict[str, float]:
        found = losses(dev_batches)
        vectors = embed(questions, engine, source.tokenizer, config.question_length)
        return {"dev_loss": sum(found.values())} | found | score_groups(dev, questions, vectors)

    for epoch in training.epochs(config.epochs):
        batches = batches_of(groups, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, callbacks=[training])
        training.score(evaluate, best_by="dev_loss", highest=False)

    best = training.best_row
    training.finish({"dev": {name: best[name] for name in SCORES}, "epoch": best["epoch"]})


def to_tokens(
    config: Config, groups: list[Group], dev: list[Group], source: EncoderSource, counts: Counter
) -> dict[str, np.ndarray]:
    """Return the tokens of each question, and print how many questions were cut or left out.

    Args:
        config: the config of the training.
        groups: the groups to train on.
        dev: the groups of dev.
        source: has the tokenizer.
        counts: has what was left out when the files were read, and gets what is cut here.

    Returns:
        The tokens of each question, as `tokenize` returns them.

    Raises:
        UserError: if no two similar questions of a file have tokens.
    """
    tokens = tokenize(questions_of([*groups, *dev]), source.tokenizer, config.question_length, counts)
    for name, part in ((config.train_file, groups), (config.dev_file or config.train_file, dev)):
        if not any(to_features([group], tokens, np.random.default_rng(0)) for group in part):
            raise UserError(f"{name}: no two similar questions with a token")
    print(f"{len(groups)} groups to train on, {len(dev)} dev, {len(tokens)} questions")
    print_counts(counts)
    return tokens


def questions_of(groups: list[Group]) -> list[str]:
    """Return the different questions of the groups."""
    return list(dict.fromkeys(question for group in groups for question in group.questions))


if __name__ == "__main__":
    run_command(main)
