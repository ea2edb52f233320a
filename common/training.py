"""What training needs around Keras' `compile` and `fit`: precision, a loss over nested outputs, batches in an order
that can be resumed, and the run itself (progress, checkpoints, best weights, logs, curves)."""

import contextlib
import csv
import io
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.src.saving import saving_lib
from tqdm import tqdm

from common.bert import dropout_seed
from common.cli import UserError
from common.files import atomic_write, flush, replaced
from common.inference import cpu_has_bfloat16
from common.losses import sum_over_replicas
from common.optimizers import averaged_weights
from common.plots import plot_curves
from common.run_folder import RunFolder
from common.workers import check_resumed, is_chief, shares

LOG_STEPS = 20  # between two points of the loss
REPLICA_STEPS = 2**40  # more than a run has: from the dropout of a replica to that of the next


def set_precision(name: str) -> str:
    """Sets Keras' policy. "auto" takes the fast one of this machine: bfloat16 on GPUs from compute capability 8 and
    on CPUs that multiply it in hardware, float16 on GPUs from 7, else float32 (elsewhere bfloat16 is 2.6 times slower
    on a CPU)."""
    if name == "auto":
        name = "float32"
        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
            name = "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16" if capability >= (7, 0) else name
        elif cpu_has_bfloat16():
            name = "mixed_bfloat16"
    keras.mixed_precision.set_global_policy(name)
    return name


class MeanOfReplicated(keras.metrics.Mean):
    """The mean of a value that is the same on all replicas. Keras' own adds up what each has, whenever it is read or
    saved, and waits for the other workers to do the same."""

    def add_weight(self, name, **kwargs):
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(name, synchronization=tf.VariableSynchronization.AUTO, aggregation=first, **kwargs)


class LossModel(keras.Model):
    """A functional model whose loss is one function over nested outputs, which `compile(loss=...)` would flatten.

    The loss takes (labels, outputs) as the model and the batches nest them and returns a scalar, of each replica its
    part of the whole batch's (`common.losses.batch_mean`). Dropout is a function of (seed, optimizer step, replica).

    `compile(accumulate=n)`: each batch is computed in n parts of its rows, one after the other, and their gradients are
    added up: the step of the whole batch in the memory of a part, which counts by its rows, also where the loss is a
    mean over tokens. Raises UserError for that on several replicas.
    """

    def __init__(self, *args, seed: int = 0, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed = seed
        self.loss_tracker = MeanOfReplicated(name="loss")
        self.distribute_reduction_method = "first"  # Keras adds up what several workers log of a step

    def compile(self, optimizer, loss: Callable, accumulate: int = 1, **kwargs):
        super().compile(optimizer=optimizer, **kwargs)
        if accumulate > 1 and self.distribute_strategy.num_replicas_in_sync > 1:  # no collectives within a loop
            raise UserError("accumulate: does not go with several workers or GPUs, which share each batch")
        self.loss_function, self.accumulate = loss, accumulate

    def fit(self, batches: keras.utils.Sequence, **kwargs):
        """As Keras', each replica with its rows of every batch."""
        return super().fit(shares(batches, self.distribute_strategy), steps_per_epoch=len(batches), **kwargs)

    def train_step(self, data):
        if self.accumulate > 1:
            loss, gradients = self._accumulated(*data)
            self.loss_tracker.update_state(loss)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return self.compute_metrics(None, None, None, None)
        with self._dropout(part=0):
            return super().train_step(data)

    def _dropout(self, part: int | tf.Tensor):
        """The key of this step, of a part of its rows and of this replica."""
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        step = tf.cast(self.optimizer.iterations, tf.int64) * self.accumulate + tf.cast(part, tf.int64)
        return dropout_seed(self.seed, step + replica * REPLICA_STEPS)

    def _accumulated(self, inputs, labels) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The loss of a batch and its gradients, in parts."""
        scaler = self.optimizer if isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer) else None
        rows = tf.shape(tf.nest.flatten(inputs)[0])[0]

        def add_part(part, loss, gradients):
            first, end = rows * part // self.accumulate, rows * (part + 1) // self.accumulate
            x, y = tf.nest.map_structure(lambda array: array[first:end], (inputs, labels))
            with self._dropout(part), tf.GradientTape() as tape:
                share = tf.cast(end - first, tf.float32) / tf.cast(rows, tf.float32)
                of_part = share * self.loss_function(y, self(x, training=True))
                scaled = scaler.get_scaled_loss(of_part) if scaler else of_part
                # within: blocks that are recomputed draw their dropout now
                more = tape.gradient(scaled, self.trainable_variables, unconnected_gradients="zero")
            return part + 1, loss + of_part, [a + b for a, b in zip(gradients, more, strict=True)]

        start = (0, 0.0, [tf.zeros_like(variable) for variable in self.trainable_variables])
        _, loss, gradients = tf.while_loop(
            lambda part, *_: part < self.accumulate, add_part, start, parallel_iterations=1
        )
        return loss, scaler.get_unscaled_gradients(gradients) if scaler else gradients

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        loss = self.loss_function(y, y_pred)
        self.loss_tracker.update_state(sum_over_replicas(loss))
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight):
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self):
        return [self.loss_tracker]


def save_weights(model: keras.Model, path: Path) -> None:
    """Saves the weights alone; `Model.save_weights` of a compiled model adds the optimizer's, and HDF5 crashes the
    process where the disk is full: here it writes to memory. Raises UserError for a full disk."""
    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(
        keras.Model(model.inputs, model.outputs), store, assets_store=None, inner_path="", visited_trackables=set()
    )
    store.close()
    with replaced(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads what `save_weights` saved. Raises UserError for a damaged file, one of another model, and for weights that
    are not finite."""
    bare = keras.Model(model.inputs, model.outputs)  # without the mean of the losses, which may be infinite
    try:
        bare.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # HDF5 has many ways to fail
        raise UserError(f"{path}: not the weights of this model ({str(error).splitlines()[0]})") from error
    for weight in bare.weights:
        if not np.isfinite(weight.numpy()).all():
            raise UserError(f"{path}: {weight.name} has values that are not finite")


class Batches(keras.utils.Sequence):
    """The batches of one epoch, from number `skip` on: a pure function of (seed, epoch).

    order: indices of `items` per batch. collate(items, rng): makes (inputs, labels) of a batch.
    """

    def __init__(self, items: list, order: list, collate: Callable, seed: int, epoch: int, skip: int = 0):
        self.items, self.order, self.collate = items, order, collate
        self.seed, self.epoch, self.skip = seed, epoch, skip

    def __len__(self):
        return len(self.order) - self.skip

    def __getitem__(self, index):
        number = self.skip + index
        rng = np.random.default_rng((self.seed, self.epoch, number))
        return self.collate([self.items[i] for i in self.order[number]], rng)


@dataclass
class Progress:
    """Where a run is: the next epoch and the step in it, the best dev score, and the epochs so far."""

    epoch: int = 0
    step: int = 0
    best: float = -math.inf
    history: list[dict[str, Any]] = field(default_factory=list)


class SavedProgress(tf.train.experimental.PythonState):
    """Puts the progress into the checkpoint of the weights, so that one atomic file holds both."""

    def __init__(self):
        self.now = Progress()

    def serialize(self) -> str:
        return json.dumps(asdict(self.now))

    def deserialize(self, string: str) -> None:
        self.now = Progress(**json.loads(string))


class Training(keras.callbacks.Callback):
    """Resumes a run where it was stopped, to the bit, and keeps what it learns.

    Every `checkpoint_steps` steps and after every epoch the model, the optimizer and the progress are saved
    together. Of several workers all resume and the chief alone writes.
    """

    def __init__(self, folder: RunFolder, model: LossModel, checkpoint_steps: int):
        super().__init__()
        self.folder, self.checkpoint_steps = folder, checkpoint_steps
        self.saved = SavedProgress()
        model.optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, progress=self.saved)
        checkpoint.save_counter  # a variable: all workers have to make it  # noqa: B018
        self.manager = restore(checkpoint, folder.checkpoints)
        if self.manager.latest_checkpoint:
            print(f"resuming in epoch {self.progress.epoch + 1} after step {self.progress.step}")
            if is_chief() and self.progress.history:  # it may have been stopped before its last line was written
                write_history(folder, self.progress.history)
        check_resumed(int(model.optimizer.iterations.numpy()), folder.path)
        self._loss_so_far = [variable.numpy() for variable in model.loss_tracker.variables]
        self.writer = tf.summary.create_noop_writer()
        if is_chief():
            remove_unfinished(folder)
            with naming(folder.logs):
                self.writer = tf.summary.create_file_writer(str(folder.logs))

    @property
    def progress(self) -> Progress:
        return self.saved.now

    def on_epoch_begin(self, epoch, logs=None):
        done = self.progress.step
        if done:  # `fit` has just reset the running loss of the epoch
            for variable, value in zip(self.model.loss_tracker.variables, self._loss_so_far, strict=True):
                variable.assign(value)
        self.bar = tqdm(
            desc=f"epoch {epoch + 1}", total=done + self.params["steps"], initial=done, unit="batch",
            disable=not is_chief(),
        )  # fmt: skip
        self._logged = (done, done * float(self.model.loss_tracker.result()))
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step += 1
        self.bar.update()
        try:
            if self.progress.step % LOG_STEPS == 0:
                self.bar.set_postfix(loss=f"{logs['loss']:.4f}")
                self._log_loss(logs["loss"])
            # the epoch's last state is saved by `end_epoch`, with its dev score
            if self.progress.step % self.checkpoint_steps == 0 and self.progress.step < self.bar.total and is_chief():
                self.save()
        except UserError:
            self.bar.close()  # the message has a line of its own
            raise

    def _log_loss(self, mean_of_epoch: float) -> None:
        """The mean loss of the last steps, for TensorBoard."""
        (step, total), now = self._logged, (self.progress.step, self.progress.step * mean_of_epoch)
        iterations = int(self.model.optimizer.iterations.numpy())
        with naming(self.folder.logs), self.writer.as_default(step=iterations):
            tf.summary.scalar("training/loss", (now[1] - total) / (now[0] - step))
        self._logged = now

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()
        self.loss = float(logs["loss"])
        self.seconds = time.perf_counter() - self.started

    def save(self) -> None:
        """Saves model, optimizer and progress. Raises UserError for a full disk; the last checkpoint then stays."""
        with naming(self.folder.checkpoints):
            self.manager.save(options=tf.train.CheckpointOptions(experimental_write_callbacks=[flush_checkpoint]))

    def score_epoch(self, evaluate: Callable[[], dict[str, float]], best_by: str, highest: bool = True) -> None:
        """Ends an epoch with the dev scores, of the averaged weights if there are any; the best epoch has the highest
        or the lowest `best_by`. Of several workers the chief alone does, while the others wait in the first step of the
        next epoch."""
        if not is_chief():
            self.progress.step = 0
            return
        with averaged_weights(self.model.optimizer, self.model):
            scores = evaluate()
            self.keep_best(scores[best_by] if highest else -scores[best_by])
        self.end_epoch(scores)

    def keep_best(self, score: float) -> None:
        """Saves the weights the model has now if `score` is the best so far."""
        if score > self.progress.best:
            self.progress.best = score
            save_weights(self.model, self.folder.weights)

    def end_epoch(self, scores: dict[str, float]) -> None:
        """Records an epoch with its dev scores; the next one starts from here."""
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
        if skipped := int(optimizer.nonfinite_steps.numpy()):
            print(f"so far {skipped} steps changed nothing: their gradient was not finite", flush=True)


def restore(checkpoint: tf.train.Checkpoint, folder: Path) -> tf.train.CheckpointManager:
    """The checkpoints in a folder, after the last of them, if there is one, is restored.

    Raises UserError if it is damaged: TensorFlow takes some damage for no checkpoint, and a run begun anew would
    replace the best weights.
    """
    try:
        manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
        if manager.restore_or_initialize() is None and (folder / "checkpoint").exists():
            raise ValueError("the file checkpoint is not TensorFlow's")
    except (tf.errors.OpError, ValueError, IndexError) as error:
        raise UserError(
            f"{folder}: the state of training is damaged ({str(error).splitlines()[0]}); "
            f"put a copy in its place, or choose another --output or remove {folder.parent}"
        ) from error
    return manager


def remove_unfinished(folder: RunFolder) -> None:
    """What a run wrote when it was killed: under names drawn at random, so that nothing would replace it."""
    for path in folder.checkpoints.glob("ckpt-*_temp"):
        shutil.rmtree(path)
    written = (folder.path.glob(".*.tmp"), folder.report.glob(".*.tmp"), folder.checkpoints.glob("checkpoint.tmp*"))
    for path in chain(*written):
        path.unlink()


def flush_checkpoint(prefix: str) -> None:
    """Between its writing and its being named as the last, after which the one before is deleted."""
    for path in Path(prefix).parent.glob(f"{Path(prefix).name}.*"):
        flush(path)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns what fails when TensorFlow writes to `path` into a UserError."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "message", str(error)).rpartition("; ")[2].partition(" [Op:")[0]
        raise UserError(f"{path}: cannot be written ({reason})") from error


def choose_threshold(extractor: Callable, evaluate: Callable[[], float]) -> dict[float, float]:
    """Gives the extractor the threshold with the best score, the one nearest to the default of equals; returns all."""
    scores = {}
    for threshold in extractor.thresholds:
        extractor.threshold = threshold
        scores[threshold] = evaluate()
    default = extractor.default_threshold
    extractor.threshold = max(scores, key=lambda t: (scores[t], -abs(t - default)))
    return scores


def write_history(folder: RunFolder, history: list[dict[str, Any]]) -> None:
    """The epochs as CSV and as curves."""
    with atomic_write(folder.history) as file:
        writer = csv.DictWriter(file, history[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    plot_curves(history, folder.curves)
