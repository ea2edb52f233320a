"""Config -> text -> model -> compile -> fit.

python extras/pretraining/train.py --config demo.json
"""

from functools import partial
from itertools import chain, islice
from pathlib import Path

from common.cli import UserError, run, training_arguments
from common.config import find_files, load_config
from common.encoder import EncoderSource, resolve_encoder
from common.run import RunFolder, find_run, start_run, write_json
from dataset import HELD_OUT, Text, Windows, file_weights, masked_batch, passes, read_corpus, to_corpus
from settings import Config

HERE = Path(__file__).resolve().parent


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
    folder = find_run(args.output or f"runs/{HERE.name}/{Path(args.config).stem}", config)
    if not folder.metrics.exists():
        train(config, text, weights, dev, source, folder)
    print(folder.metrics.read_text(encoding="utf-8"), end="")
    print(f"finished: {folder.path}")


def train(
    config: Config, text: Text, weights: list[float], dev: Text, source: EncoderSource, folder: RunFolder
) -> None:
    print(f"{text.digest[0]} passages of {len(text.files)} files to train on, {dev.digest[0]} dev")

    # TensorFlow is imported only here, when the input has been checked
    import tf_keras as keras

    from common.encoder import build_encoder, load_weights, save_encoder
    from common.inference import tensorflow_engine
    from common.optimizers import averaged_weights, make_optimizer
    from common.training import Batches, Run, set_precision
    from model import build_model, masked_loss
    from scoring import SCORES, score

    keras.utils.set_random_seed(config.seed)
    print("precision:", set_precision(config.precision))
    recompute = int(config.recompute)
    encoder = build_encoder(source.architecture, config.seed, config.dropout, with_mlm=True, recompute=recompute)
    load_weights(encoder, source)
    model = build_model(encoder, config.seed)
    steps = config.epochs * config.epoch_steps
    optimizer = make_optimizer(config.optimizer, config.learning_rate, steps, model.trainable_variables)
    model.compile(optimizer, masked_loss)
    start_run(folder, config, source)
    corpora = read_corpus(text, source.tokenizer, folder.path / "corpus.npz"), to_corpus(dev, source.tokenizer)
    windows, dev = (Windows(corpus, source.tokenizer, config.max_length, config.stride) for corpus in corpora)
    plan = partial(passes, windows, weights, config.batch_size, config.max_length, config.seed)
    print(f"{len(next(plan()))} steps are one pass over the text, {steps} are to be done")
    training = Run(folder, model, config.checkpoint_steps)
    engine = tensorflow_engine(model)
    collate = partial(masked_batch, tokenizer=source.tokenizer, whole_words=config.whole_words)

    for epoch in range(training.progress.epoch, config.epochs):
        first = epoch * config.epoch_steps
        order = list(islice(chain.from_iterable(plan()), first, first + config.epoch_steps))
        batches = Batches(windows, order, collate, config.seed, epoch, skip=training.progress.step)
        model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[training])
        with averaged_weights(model.optimizer, model):
            scores = score(engine, dev, source.tokenizer)
            save_encoder(encoder, source.architecture, source.tokenizer, folder.path / "encoder", config.half_precision)
        training.end_epoch(scores)

    last = training.progress.history[-1]
    write_json(folder.metrics, {"dev": {name: last[name] for name in SCORES}})


if __name__ == "__main__":
    run(main)
