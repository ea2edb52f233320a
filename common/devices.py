"""The devices that train a model: one device, several GPUs, or several workers (`TF_CONFIG`, docs/workers.md).

Each GPU or worker computes its own rows of every batch, and after each step all have the same weights. Otherwise all
workers do the same work. One of them is the chief: only it writes to the run folder, and each other worker has a copy.
Importing this module does not load TensorFlow.
"""

import atexit
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from common.batching import Batches, Rounding
from common.cli import UserError
from common.config import TrainingConfig
from common.cores import share_batches

if TYPE_CHECKING:
    import tensorflow as tf

_strategy: "tf.distribute.MultiWorkerMirroredStrategy | None" = None  # set when several workers are connected


@dataclass(frozen=True)
class Cluster:
    """The workers of a run."""

    addresses: dict[str, str]  # name ("chief 0", "worker 1") -> host:port, the chief first
    this: str  # the name of this worker

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the chief. If the cluster names none, worker 0 is the chief."""
        return self.this == next(iter(self.addresses))

    @property
    def others(self) -> str:
        """The names and addresses of the other workers, for messages."""
        return ", ".join(f"{name} at {address}" for name, address in self.addresses.items() if name != self.this)


def read_cluster() -> Cluster | None:
    """Read `TF_CONFIG`. Return None if it is not set or names only one worker; raise UserError if it is wrong."""
    text = os.environ.get("TF_CONFIG", "").strip() or "{}"
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UserError(f"TF_CONFIG: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise UserError("TF_CONFIG: expected an object with cluster and task")
    if not content.get("cluster"):
        return None
    addresses = _read_addresses(content["cluster"])
    task = content.get("task")
    if not isinstance(task, dict) or not {"type", "index"} <= task.keys():
        raise UserError('TF_CONFIG: task: expected an object such as {"type": "worker", "index": 0}')
    this = f"{task['type']} {task['index']}"
    if this not in addresses:
        raise UserError(f"TF_CONFIG: task: the cluster has no {this}, only {', '.join(addresses)}")
    return Cluster(addresses, this) if len(addresses) > 1 else None


def _read_addresses(cluster: Any) -> dict[str, str]:
    if not isinstance(cluster, dict) or not all(isinstance(job, list) for job in cluster.values()):
        raise UserError('TF_CONFIG: cluster: expected an object such as {"worker": ["host:port", "host:port"]}')
    if unknown := cluster.keys() - {"chief", "worker"}:
        raise UserError(f"TF_CONFIG: cluster: unknown task type {min(unknown)}, expected chief or worker")
    if len(cluster.get("chief", [])) > 1:
        raise UserError("TF_CONFIG: cluster: more than one chief")
    addresses = {f"{job} {i}": address for job in ("chief", "worker") for i, address in enumerate(cluster.get(job, []))}
    for name, address in addresses.items():
        if not isinstance(address, str) or not re.fullmatch(r"\S+:\d+", address):
            raise UserError(f"TF_CONFIG: cluster: {name}: expected host:port, not {address!r}")
    if len(set(addresses.values())) < len(addresses):
        raise UserError("TF_CONFIG: cluster: two tasks have the same address")
    return addresses


def place_to_work(run_folder: Path) -> Path:
    """Return the folder where this process may write: the run folder, or a copy if this is not the chief.

    The copy is in the temporary folder (TMPDIR). It is removed when the worker ends. If the worker was killed or
    interrupted, its next start removes it.
    Raises UserError if `TF_CONFIG` is wrong or the copy cannot be made.
    """
    cluster = read_cluster()
    if cluster is None or cluster.is_chief:
        return run_folder
    name = hashlib.sha256(f"{run_folder.resolve()} {cluster.this}".encode()).hexdigest()[:16]
    copy = Path(tempfile.gettempdir()) / f"run-{name}"
    shutil.rmtree(copy, ignore_errors=True)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    try:
        if run_folder.is_dir():
            shutil.copytree(run_folder, copy, ignore=shutil.ignore_patterns("logs", "report", ".*.tmp"))
    except (OSError, shutil.Error) as error:
        raise UserError(f"{copy}: {run_folder} cannot be copied here ({error}); set TMPDIR to another place") from None
    print(f"{cluster.this} works in {copy} instead of {run_folder}", file=sys.stderr)
    return copy


@contextlib.contextmanager
def devices() -> Iterator[None]:
    """Place the model that is built inside the `with` block on the devices that will train it.

    Enter it before TensorFlow computes anything. If there are several workers, it waits until all are connected. From
    then on only the chief prints on standard output.
    """
    import tensorflow as tf

    global _strategy
    cluster = read_cluster()
    if cluster is None:
        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            share_batches()
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
    else:
        # Ctrl-C has to end the process at once: Python's handler would wait for TensorFlow, which may wait for workers.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print(f"{cluster.this} waits for {cluster.others}", file=sys.stderr, flush=True)
        strategy = _strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if not cluster.is_chief:
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  open until the process ends
    with naming_lost_workers(), strategy.scope():
        yield


def rounding(config: TrainingConfig) -> Rounding:
    """Choose what the sizes of the batches of a training are rounded up to.

    XLA compiles the step anew for each shape, so there should be few. A GPU multiplies multiples of 8 faster.
    """
    import tensorflow as tf

    if config.xla:
        return Rounding(tokens=32, longest=config.max_length, rows=config.batch_size, positives=32)
    return Rounding(tokens=8 if tf.config.list_physical_devices("GPU") else 1, longest=config.max_length)


def check_same_step(step: int) -> None:
    """Raise UserError unless all workers resume from the same step. Every worker has to call this."""
    if _strategy is None:
        return
    if len(set(_values_of_workers(step))) > 1:
        raise UserError(f"the workers resume from different steps, this one from {step}; expected one shared --output")


def wait_for_workers() -> None:
    """Wait until all workers have called this. If one ended earlier, the others would fail."""
    if _strategy is not None:
        with naming_lost_workers():
            _values_of_workers(0)


def _values_of_workers(value: int) -> list[int]:
    """Gather a value from each worker. Every worker has to call this."""
    import tensorflow as tf

    assert _strategy is not None
    gathered = _strategy.gather(tf.constant([value], tf.int64), axis=0)
    return _strategy.experimental_local_results(gathered)[0].numpy().tolist()


@contextlib.contextmanager
def naming_lost_workers() -> Iterator[None]:
    """End the process with a line on standard error and exit code 1 if another worker is lost."""
    try:
        yield
    except Exception as error:
        if _strategy is None or type(error).__name__ not in ("UnavailableError", "AbortedError"):
            raise
        cluster = read_cluster()
        assert cluster is not None  # there is a strategy of several workers
        tasks = re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", str(error))
        lost = [name for name in cluster.addresses if name != cluster.this and tuple(name.split()) in tasks]
        names = " and ".join(f"{name} at {cluster.addresses[name]}" for name in lost) or "the other workers"
        tqdm.write(f"error: lost {names}; run the same command on every worker to resume", file=sys.stderr)
        sys.exit(1)


def shares(batches: Batches, strategy: "tf.distribute.Strategy") -> Any:
    """Return a data set for Keras' `fit` that gives each replica (a GPU or a worker) its rows of every batch.

    Each worker makes the whole batch and drops the rows of the others. So neither the random numbers of a batch nor
    its padding depend on the number of workers.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync

    def dataset_of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = local * context.input_pipeline_id

        def rows() -> Iterator[Any]:
            for batch in batches:
                for replica in range(first, first + local):
                    yield tf.nest.map_structure(lambda array, r=replica: rows_of_replica(array, r, replicas), batch)

        signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None] * array.ndim, array.dtype), batches[0])
        options = tf.data.Options()
        options.autotune.enabled = False  # Keras waits for its thread after an epoch, for up to a minute
        # The data set never ends, so the workers need not ask one another in each step whether there is more.
        endless = tf.data.Dataset.from_generator(rows, output_signature=signature).repeat()
        return endless.prefetch(2 * local).with_options(options)

    return strategy.distribute_datasets_from_function(dataset_of_worker)


def rows_of_replica(array: np.ndarray, replica: int, replicas: int) -> np.ndarray:
    """Return the rows of a batch that one of the replicas computes.

    If there are fewer rows than replicas, some replicas get none.

    Args:
        array: [batch, ...].
        replica: the number of the replica, from 0.
        replicas: how many there are.
    """
    return array[len(array) * replica // replicas : len(array) * (replica + 1) // replicas]
