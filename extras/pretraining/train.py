"""Config -> text -> model -> compile -> fit.

python extras/pretraining/train.py --config demo.json
"""

from functools import partial
from itertools import chain, islice
from pathlib import Path

from common.cli import UserError, run_command, training_arguments
from common.config import find_files, load_config
from common.encoder import EncoderSource, resolve_encoder
from common.files import write_json
from common.run_folder import RunFolder, find_run, print_finished, start_run
from common.workers import as_worker, is_chief, select_strategy
from config import Config
from dataset import HELD_OUT, Text, Windows, file_weights, masked_batch, passes, read_corpus, to_corpus

HERE = Path(__file__).resolve().parent


@as_worker()
def main() -> None:
    args = training_arguments(__doc__)
    config = load_config(Config, args.config, HERE, args.set)
    files = find_files(config.train_file)
    text = Text(files, "all" if config.dev_file else "train")
    dev = Text(find_files(config.dev_file)) if config.dev_file else Text(files, "dev")
    weights = file_weights(files, config.weights)
    if not text.digest[0] or not dev.digest[0]:  # reads everything
        raise UserError(f"{config.train_file}: no passage for dev, every {HELD_OUT}th of a file is; or give a dev_file")
    source = resolve_encoder(config.encoder, config.max_length, config.gelu)
    folder = find_run(args, HERE, config, source)
    if not folder.metrics.exists():
        train(config, text, weights, dev, source, folder)
    print_finished(folder)


def train(
    config: Config, text: Text, weights: list[float], dev: Text, source: EncoderSource, folder: RunFolder
) -> None:
    trained_on = (passage for number, passage in text if weights[number])
    for passages in (trained_on, (passage for _, passage in dev)):
        if not any(len(encoding.ids) for encoding in source.tokenizer.encode(passages)):
            raise UserError(f"{config.train_file}: no token in what is to be trained on, or in dev")
    print(f"{text.digest[0]} passages of {len(text.files)} files to train on, {dev.digest[0]} dev")

    # TensorFlow is imported only here, when the input has been checked
    import tf_keras as keras

    from common.encoder import build_encoder, load_pretrained, save_encoder
    from common.inference import tensorflow_engine
    from common.losses import token_crossentropy
    from common.optimizers import make_optimizer
    from common.training import Batches, Training, set_precision
    from model import build_model
    from scoring import SCORES, score

    architecture, tokenizer = source.architecture, source.tokenizer
    with select_strategy().scope():
        keras.utils.set_random_seed(config.seed)
        print("precision:", set_precision(config.precision))
        recompute = int(config.recompute)
        encoder = build_encoder(architecture, config.seed, config.dropout, with_mlm=True, recompute=recompute)
        load_pretrained(encoder, source)
        model = build_model(encoder, config.seed)
        steps = config.epochs * config.epoch_steps
        optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
        model.compile(optimizer, token_crossentropy, accumulate=config.accumulate, jit_compile=config.xla)
        start_run(folder, config, source)
        training = Training(folder, model, config.checkpoint_steps)
    engine = tensorflow_engine(model)
    corpora = read_corpus(text, tokenizer, folder.path / "corpus.npz"), to_corpus(dev, tokenizer)
    windows, dev = (Windows(corpus, tokenizer, config.max_length, config.stride) for corpus in corpora)
    plan = partial(passes, windows, weights, config.batch_size, config.max_length, config.seed)
    print(f"{len(next(plan()))} steps are one pass over the text, {steps} are to be done")
    collate = partial(masked_batch, tokenizer=tokenizer, whole_words=config.whole_words)

    def evaluate() -> dict[str, float]:
        scores = score(engine, dev, tokenizer)
        if scores["accuracy"] > training.progress.best:
            save_encoder(encoder, architecture, tokenizer, folder.path / "encoder", config.half_precision)
        return scores

    for epoch in range(training.progress.epoch, config.epochs):
        first = epoch * config.epoch_steps
        order = list(islice(chain.from_iterable(plan()), first, first + config.epoch_steps))
        batches = Batches(windows, order, collate, config.seed, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[training])
        training.score_epoch(evaluate, best_by="accuracy")

    if is_chief():
        best = max(training.progress.history, key=lambda row: row["accuracy"])
        write_json(folder.metrics, {"dev": {name: best[name] for name in SCORES}, "epoch": best["epoch"]})


if __name__ == "__main__":
    run_command(main)
