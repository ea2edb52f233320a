"""What a training keeps while Keras' `fit` runs: progress, checkpoints, best weights, logs and curves."""

import contextlib
import csv
import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf
import tf_keras as keras
from tqdm import tqdm

from common.batching import Batches, Collate, Integers
from common.cli import UserError
from common.config import TrainingConfig
from common.devices import check_same_step, rounding, wait_for_workers
from common.encoder_source import EncoderSource
from common.files import atomic_write, flush, write_json
from common.inference import describe_engine
from common.loss_model import LossModel
from common.optimizers import averaged_weights
from common.plots import plot_curves
from common.run_folder import RunFolder, start_run
from common.weights import save_weights

LOG_STEPS = 20  # steps between two points of the logged loss


class Evaluate(Protocol):
    """Scores the model as it is now, on the dev file: name -> score."""

    def __call__(self) -> dict[str, float]: ...


@dataclass
class Progress:
    """How far a training has come. Epochs count from 0."""

    epoch: int = 0  # the one that runs next
    step: int = 0  # steps done in it
    best: float = -math.inf  # dev score, the higher the better
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)  # see `Training.history`


class SavedProgress(tf.train.experimental.PythonState):
    """Puts the progress into the checkpoint of the weights, so that both are saved at once or not at all."""

    def __init__(self) -> None:
        self.now = Progress()

    def serialize(self) -> str:
        return json.dumps(asdict(self.now))

    def deserialize(self, string: str) -> None:
        self.now = Progress(**json.loads(string))


class Training(keras.callbacks.Callback):
    """A callback that saves a training, and resumes it with bit-identical results.

    It saves the model, the optimizer and the progress in one checkpoint, every `checkpoint_steps` steps and after every
    epoch. It also keeps the weights of the best epoch.
    """

    def __init__(self, folder: RunFolder, config: TrainingConfig, source: EncoderSource, model: LossModel):
        """Start the run folder, or restore its last checkpoint into `model`, which is compiled.

        Raises UserError if the folder belongs to another run or its checkpoint is damaged.
        """
        super().__init__()
        start_run(folder, config, source)
        self.folder, self.checkpoint_steps = folder, config.checkpoint_steps
        self.seed, self.rounding = config.seed, rounding(config)
        self.saved = SavedProgress()
        model.optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, progress=self.saved)
        self.manager = restore(checkpoint, folder.checkpoints)
        check_same_step(int(model.optimizer.iterations.numpy()))
        if self.manager.latest_checkpoint:
            print(f"resuming after {self.progress.epoch} epochs and {self.progress.step} steps")
            if self.progress.history:  # the training may have stopped before it wrote the last row
                write_history(folder, self.progress.history)
        self._loss_so_far = [variable.numpy() for variable in model.loss_tracker.variables]
        remove_unfinished(folder)
        with naming(folder.logs):
            self.writer = tf.summary.create_file_writer(str(folder.logs))

    @property
    def progress(self) -> Progress:
        return self.saved.now

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row for each finished epoch: number from 1, loss, dev scores, and seconds since it began or was resumed."""
        return self.progress.history

    @property
    def best_row(self) -> dict[str, Any]:
        """The row of the epoch whose weights were kept."""
        return self.history[self.progress.best_epoch]

    def epochs(self, total: int) -> range:
        """Return the numbers, from 0, of the epochs that are left."""
        return range(self.progress.epoch, total)

    def batches(self, items: Sequence, order: Sequence[Integers], collate: Collate, epoch: int) -> Batches:
        """Return the batches of an epoch that are left. The arguments are those of `Batches`."""
        return Batches(items, order, collate, (self.seed, epoch), self.progress.step, self.rounding)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        done = self.progress.step
        if done:  # `fit` has just reset the running loss of the epoch
            for variable, value in zip(self.model.loss_tracker.variables, self._loss_so_far, strict=True):
                variable.assign(value)
        self.bar = tqdm(desc=f"epoch {epoch + 1}", total=done + self.params["steps"], initial=done, unit="batch")
        self._logged = (done, done * float(self.model.loss_tracker.result()))
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.progress.step += 1
        self.bar.update()
        try:
            if self.progress.step % LOG_STEPS == 0:
                self.bar.set_postfix(loss=f"{logs['loss']:.4f}")
                self._log_loss(logs["loss"])
            # `end_epoch` saves the last state of an epoch, with its dev score.
            if self.progress.step % self.checkpoint_steps == 0 and self.progress.step < self.bar.total:
                self.save()
        except UserError:
            self.bar.close()  # so that the message starts on a new line
            raise

    def _log_loss(self, mean_of_epoch: float) -> None:
        """Log the mean loss of the epoch's steps since the last logged one, for TensorBoard."""
        step, total = self.progress.step, self.progress.step * mean_of_epoch
        logged_step, logged_total = self._logged
        iterations = int(self.model.optimizer.iterations.numpy())
        with naming(self.folder.logs), self.writer.as_default(step=iterations):
            tf.summary.scalar("training/loss", (total - logged_total) / (step - logged_step))
        self._logged = (step, total)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.bar.close()
        self.loss = float(logs["loss"])
        self.seconds = time.perf_counter() - self.started

    def save(self) -> None:
        """Save model, optimizer and progress. If the disk is full, raise UserError and keep the last checkpoint."""
        with naming(self.folder.checkpoints):
            self.manager.save(options=tf.train.CheckpointOptions(experimental_write_callbacks=[flush_checkpoint]))

    def score(self, evaluate: Evaluate, best_by: str, highest: bool = True) -> None:
        """Score the model on the dev file, keep its weights if they are the best so far, and end the epoch.

        If the optimizer averages the weights, the averaged ones are scored and kept.

        Args:
            evaluate: scores the model on the dev file.
            best_by: the name of the score that chooses the best epoch.
            highest: True if a higher score is better, False if a lower one is.
        """
        with averaged_weights(self.model.optimizer, self.model):
            scores = evaluate()
            self.keep_best(scores[best_by] if highest else -scores[best_by])
        self.end_epoch(scores)

    def keep_best(self, score: float) -> None:
        """Save the model's present weights if `score` is the best so far."""
        if score > self.progress.best:
            self.progress.best, self.progress.best_epoch = score, self.progress.epoch
            save_weights(self.model, self.folder.weights)

    def end_epoch(self, scores: dict[str, float]) -> None:
        """Record an epoch with its dev scores. After this, a resumed training starts with the next epoch."""
        progress = self.progress
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.history.append(
            {"epoch": progress.epoch, "loss": self.loss, **scores, "seconds": round(self.seconds, 1)}
        )
        self.save()
        write_history(self.folder, progress.history)
        with naming(self.folder.logs), self.writer.as_default(step=progress.epoch):
            for name, value in progress.history[-1].items():
                tf.summary.scalar(name, value)
        print(*(f"{name} {value:.4g}" for name, value in progress.history[-1].items()), sep="  ", flush=True)
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if steps := int(optimizer.nonfinite_steps.numpy()):
            print(f"so far {steps} steps had a gradient that was not finite and counted as zero", flush=True)

    def final_scores(self, dev: dict[str, float]) -> dict[str, Any]:
        """Return what metrics.json says of the dev scores.

        `dev` are the scores of what predict.py predicts on this machine. While training, the same weights had other
        ones: the model ran in TensorFlow, in the precision of the training, and with the default thresholds.
        """
        while_training = {name: self.best_row[name] for name in dev}
        epoch = self.best_row["epoch"]
        return {"epoch": epoch, "dev_while_training": while_training, "engine": describe_engine(), "dev": dev}

    def made_with(self, thresholds: Mapping[str, float]) -> str:
        """Say what the final predictions depend on beside the weights, as the report shows it."""
        chosen = ", ".join(f"{name} {value:g}" for name, value in thresholds.items())
        return f"epoch {self.best_row['epoch']}; {describe_engine()}" + (f"; thresholds: {chosen}" if chosen else "")

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json, which marks the run as finished, and wait for the other workers."""
        write_json(self.folder.metrics, metrics)
        wait_for_workers()


def restore(checkpoint: tf.train.Checkpoint, folder: Path) -> tf.train.CheckpointManager:
    """Restore the last checkpoint in a folder, if there is one. Returns the manager of the folder.

    Raises UserError if the checkpoint is damaged. TensorFlow treats some damaged checkpoints as missing. The training
    would then start from the beginning and overwrite the best weights.
    """
    try:
        manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
        if manager.restore_or_initialize() is None and (folder / "checkpoint").exists():
            raise ValueError("its file 'checkpoint' is empty or damaged")
    except (tf.errors.OpError, ValueError, IndexError) as error:
        raise UserError(
            f"{folder}: the state of training is damaged ({str(error).splitlines()[0]}); "
            f"restore it from a backup, or choose another --output or remove {folder.parent}"
        ) from error
    return manager


def remove_unfinished(folder: RunFolder) -> None:
    """Remove files that a killed run left unfinished. Their names are not used again, so nothing replaces them."""
    for path in folder.checkpoints.glob("ckpt-*_temp"):
        shutil.rmtree(path)
    written = (folder.path.glob(".*.tmp"), folder.report.glob(".*.tmp"), folder.checkpoints.glob("checkpoint.tmp*"))
    for path in chain(*written):
        path.unlink()


def flush_checkpoint(prefix: str) -> None:
    """Flush the files of a new checkpoint, PREFIX.index and PREFIX.data-..., to the disk.

    TensorFlow calls this before it records the checkpoint as the latest and deletes the previous one.
    """
    for path in Path(prefix).parent.glob(f"{Path(prefix).name}.*"):
        flush(path)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn a failure of TensorFlow to write to `path` into a UserError."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "message", str(error)).rpartition("; ")[2].partition(" [Op:")[0]
        raise UserError(f"{path}: cannot be written ({reason})") from error


def write_history(folder: RunFolder, history: list[dict[str, Any]]) -> None:
    """Write the rows of the epochs, at least one, as CSV and as curves."""
    with atomic_write(folder.history) as file:
        writer = csv.DictWriter(file, history[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    plot_curves(history, folder.curves)
