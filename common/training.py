"""What training needs around Keras' `compile` and `fit`: precision, a loss over nested outputs, batches in an order
that can be resumed, and the run itself (progress, checkpoints, best weights, logs, curves)."""

import csv
import json
import time
from collections.abc import Callable
from typing import Any

import matplotlib.figure
import tensorflow as tf
import tf_keras as keras
from tqdm import tqdm

from common.compat import dropout_seed
from common.jsonl import atomic_write
from common.run import RunFolder


def set_precision(name: str) -> str:
    """Sets Keras' policy. "auto" takes the fast one of this machine: bfloat16 on GPUs from compute capability 8 and
    on CPUs with AMX, float16 on GPUs from 7, else float32 (bfloat16 is 2.6 times slower on a CPU without AMX)."""
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


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware (AMX)."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return "amx_bf16" in file.read()
    except OSError:  # not Linux
        return False


class LossModel(keras.Model):
    """A functional model whose loss is one function over nested outputs, which `compile(loss=...)` would flatten.

    The loss takes (labels, outputs) as the model and the batches nest them and returns a scalar. Dropout is a
    function of (seed, optimizer step).
    """

    def __init__(self, *args, seed: int = 0, **kwargs):
        super().__init__(*args, **kwargs)
        self.seed = seed
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def compile(self, optimizer, loss: Callable, **kwargs):
        super().compile(optimizer=optimizer, **kwargs)
        self.loss_function = loss

    def train_step(self, data):
        with dropout_seed(self.seed, self.optimizer.iterations):
            return super().train_step(data)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        loss = self.loss_function(y, y_pred)
        self.loss_tracker.update_state(loss)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight):
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self):
        return [self.loss_tracker]


class Batches(keras.utils.Sequence):
    """The batches of one epoch, from number `skip` on; `collate(index)` makes batch number `index`."""

    def __init__(self, collate: Callable[[int], tuple], count: int, skip: int = 0):
        self.collate, self.count, self.skip = collate, count, skip

    def __len__(self):
        return self.count - self.skip

    def __getitem__(self, index):
        return self.collate(self.skip + index)


class Progress(tf.train.experimental.PythonState):
    """Where a run is; saved with the weights, in one atomic checkpoint."""

    def __init__(self):
        self.epoch, self.step, self.best, self.history = 0, 0, -1.0, []

    def serialize(self) -> str:
        return json.dumps(self.__dict__)

    def deserialize(self, string: str) -> None:
        self.__dict__.update(json.loads(string))


class Run(keras.callbacks.Callback):
    """Resumes a run where it was stopped, to the bit, and keeps what it learns.

    Every `checkpoint_steps` steps and after every epoch the model, the optimizer and the progress are saved
    together. The next epoch's number and the step in it are `epoch` and `step`.
    """

    def __init__(self, folder: RunFolder, model: LossModel, checkpoint_steps: int):
        super().__init__()
        self.folder, self.checkpoint_steps = folder, checkpoint_steps
        self.progress = Progress()
        model.optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, progress=self.progress)
        self.manager = tf.train.CheckpointManager(checkpoint, str(folder.checkpoints), max_to_keep=1)
        if self.manager.restore_or_initialize():
            print(f"resuming at epoch {self.epoch + 1}, step {self.step}")
        self._loss_so_far = [variable.numpy() for variable in model.loss_tracker.variables]
        self.writer = tf.summary.create_file_writer(str(folder.logs))

    @property
    def epoch(self) -> int:
        return self.progress.epoch

    @property
    def step(self) -> int:
        return self.progress.step

    def on_epoch_begin(self, epoch, logs=None):
        if self.step:  # `fit` has just reset the running loss of the epoch
            for variable, value in zip(self.model.loss_tracker.variables, self._loss_so_far, strict=True):
                variable.assign(value)
        total = self.step + self.params["steps"]
        self.bar = tqdm(desc=f"epoch {epoch + 1}", total=total, initial=self.step, unit="batch")
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step += 1
        self.bar.update()
        if self.step % 20 == 0:
            self.bar.set_postfix(loss=f"{logs['loss']:.4f}")
        if self.step % self.checkpoint_steps == 0:
            self.manager.save()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()
        self.loss = float(logs["loss"])
        self.seconds = time.perf_counter() - self.started

    def end_epoch(self, scores: dict[str, float], key: str) -> None:
        """Records an epoch's dev scores, and keeps the weights if `key` is the best so far."""
        progress = self.progress
        progress.epoch, progress.step = self.epoch + 1, 0
        progress.history.append({"epoch": self.epoch, "loss": self.loss, **scores, "seconds": round(self.seconds, 1)})
        if scores[key] > progress.best:
            progress.best = scores[key]
            partial = self.folder.path / "partial.weights.h5"
            self.model.save_weights(partial)
            partial.replace(self.folder.weights)
        write_history(self.folder, progress.history)
        with self.writer.as_default(step=self.epoch):
            for name, value in progress.history[-1].items():
                tf.summary.scalar(name, value)
        self.manager.save()
        print("  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in progress.history[-1].items()))


def write_history(folder: RunFolder, history: list[dict[str, Any]]) -> None:
    """The epochs as CSV and as curves."""
    with atomic_write(folder.history) as file:
        writer = csv.DictWriter(file, history[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    plot_curves(history, folder.curves)


def plot_curves(history: list[dict[str, Any]], path) -> None:
    """The loss and the dev scores by epoch, as a PNG."""
    figure = matplotlib.figure.Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], "o-", label="training loss")
    for name in history[0]:
        if name not in ("epoch", "loss", "seconds"):
            right.plot(epochs, [row[name] for row in history], "o-", label=f"dev {name}")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)
