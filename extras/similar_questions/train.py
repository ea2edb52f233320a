"""Config -> groups of similar questions -> model -> compile -> fit.

python extras/similar_questions/train.py --config demo.json
"""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from common.batching import bucketed_batches
from common.cli import UserError, print_counts, run_command, training_arguments
from common.config import load_config
from common.encoder import EncoderSource, resolve_encoder
from common.files import write_json
from common.run_folder import RunFolder, find_run, print_finished, start_run
from common.workers import as_worker, is_chief, select_strategy
from config import Config
from dataset import Features, Group, pair_batch, read_groups, split, to_features, tokenize
from embed import embed
from scoring import score_groups

SCORES = ("dev_loss", "generation_loss", "similarity_loss", "mrr", "recall@1", "recall@10")
HERE = Path(__file__).resolve().parent


@as_worker()
def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    counts = Counter()
    groups = read_groups(config.train_file, counts)
    if config.dev_file:
        dev = read_groups(config.dev_file, counts)
    else:
        groups, dev = split(groups)
        if not (groups and dev):
            raise UserError(f"{config.train_file}: too few groups without common questions; give a dev_file")
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, groups, dev, source, folder, counts)
    print_finished(folder)


def train(
    config: Config, groups: list[Group], dev: list[Group], source: EncoderSource, folder: RunFolder, counts: Counter
) -> None:
    questions = (question for group in [*groups, *dev] for question in group.questions)
    tokens = tokenize(questions, source.tokenizer, config.question_length, counts)
    for name, part in ((config.train_file, groups), (config.dev_file or config.train_file, dev)):
        if not any(to_features([group], tokens, np.random.default_rng(0)) for group in part):
            raise UserError(f"{name}: no two similar questions with a token")
    print(f"{len(groups)} groups to train on, {len(dev)} dev, {len(tokens)} questions")
    print_counts(counts)

    # TensorFlow is imported only here, when the input has been checked
    import tf_keras as keras

    from common.encoder import build_encoder, load_pretrained
    from common.inference import tensorflow_engine
    from common.optimizers import make_optimizer
    from common.training import Batches, Training, set_precision
    from model import build_model, loss, mean_losses, question_model

    def batches_of(groups: list[Group], epoch: int) -> tuple[list[Features], list[np.ndarray]]:
        """The pairs of an epoch, and which are in each batch."""
        features = to_features(groups, tokens, np.random.default_rng((config.seed, epoch)))
        return features, bucketed_batches(list(map(len, features)), config.batch_size, config.seed, epoch)

    with select_strategy().scope():
        keras.utils.set_random_seed(config.seed)
        print("precision:", set_precision(config.precision))
        encoder = build_encoder(
            source.architecture, config.seed, config.dropout, with_mlm=True, recompute=int(config.recompute), unilm=True
        )
        load_pretrained(encoder, source)
        model = build_model(encoder, config.seed)
        steps = len(batches_of(groups, 0)[1]) * config.epochs
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, loss, accumulate=config.accumulate, jit_compile=config.xla)
        start_run(folder, config, source)
        training = Training(folder, model, config.checkpoint_steps)
    collate = partial(pair_batch, tokenizer=source.tokenizer)
    dev_batches = Batches(*batches_of(dev, 0), collate, config.seed, epoch=0)
    dev_questions = list(dict.fromkeys(question for group in dev for question in group.questions))
    losses, engine = mean_losses(model), tensorflow_engine(question_model(encoder))

    def evaluate() -> dict[str, float]:
        vectors = embed(dev_questions, engine, source.tokenizer, config.question_length, Counter())
        found = losses(dev_batches)
        return {"dev_loss": sum(found.values())} | found | score_groups(dev, dev_questions, vectors)

    for epoch in range(training.progress.epoch, config.epochs):
        features, order = batches_of(groups, epoch)
        batches = Batches(features, order, collate, config.seed, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[training])
        training.score_epoch(evaluate, best_by="dev_loss", highest=False)

    if is_chief():
        best = min(training.progress.history, key=lambda row: row["dev_loss"])
        write_json(folder.metrics, {"dev": {name: best[name] for name in SCORES}, "epoch": best["epoch"]})


if __name__ == "__main__":
    run_command(main)
