"""Several workers (`TF_CONFIG`) or GPUs that train one model: each takes its rows of every batch, the chief alone
evaluates and writes. docs/workers.md shows how to start them. No TensorFlow at import."""

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from common.cli import UserError

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

_strategy: "tf.distribute.Strategy | None" = None  # of several workers, once they have met


@dataclass(frozen=True)
class Cluster:
    """The workers of a run: their addresses by name ("chief 0", "worker 1"), the chief's first, and which is this."""

    addresses: dict[str, str]
    this: str

    @property
    def chief(self) -> str:
        return next(iter(self.addresses))

    @property
    def others(self) -> str:
        return ", ".join(f"{name} at {address}" for name, address in self.addresses.items() if name != self.this)


def read_cluster() -> Cluster | None:
    """What `TF_CONFIG` says; None without one, or for a single worker. Raises UserError."""
    text = os.environ.get("TF_CONFIG", "").strip() or "{}"
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise UserError(f"TF_CONFIG: not JSON ({error})") from None
    if not isinstance(settings, dict):
        raise UserError("TF_CONFIG: expected an object with cluster and task")
    if not settings.get("cluster"):
        return None
    addresses = _read_addresses(settings["cluster"])
    task = settings.get("task")
    if not isinstance(task, dict) or not {"type", "index"} <= task.keys():
        raise UserError('TF_CONFIG: task: expected an object such as {"type": "worker", "index": 0}')
    this = f"{task['type']} {task['index']}"
    if this not in addresses:
        raise UserError(f"TF_CONFIG: task: {this} is none of the cluster's: {', '.join(addresses)}")
    return Cluster(addresses, this) if len(addresses) > 1 else None


def _read_addresses(cluster: Any) -> dict[str, str]:
    if not isinstance(cluster, dict) or not all(isinstance(job, list) for job in cluster.values()):
        raise UserError('TF_CONFIG: cluster: expected an object such as {"worker": ["host:port", "host:port"]}')
    if unknown := cluster.keys() - {"chief", "worker"}:
        raise UserError(f"TF_CONFIG: cluster: unknown task type {min(unknown)}, expected chief and worker")
    if len(cluster.get("chief", [])) > 1:
        raise UserError("TF_CONFIG: cluster: more than one chief")
    addresses = {f"{job} {i}": address for job in ("chief", "worker") for i, address in enumerate(cluster.get(job, []))}
    for name, address in addresses.items():
        if not isinstance(address, str) or not re.fullmatch(r"\S+:\d+", address):
            raise UserError(f"TF_CONFIG: cluster: {name}: expected host:port, not {address!r}")
    if len(set(addresses.values())) < len(addresses):
        raise UserError("TF_CONFIG: cluster: two tasks have the same address")
    return addresses


def is_chief() -> bool:
    """Whether this process evaluates and writes: the chief of several workers (worker 0 without one), or the only."""
    cluster = read_cluster()
    return cluster is None or cluster.this == cluster.chief


@contextlib.contextmanager
def as_worker() -> Iterator[None]:
    """Around a training that may be one of several workers: those beside the chief print nothing and end when it does;
    when a worker is lost, the others end with a line that names it and exit code 1. Raises UserError for a wrong
    `TF_CONFIG`."""
    cluster = read_cluster()
    if cluster is None:
        yield
        return
    # Python's own handler would have to wait for TensorFlow, which may wait for the other workers
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.ExitStack() as stack:
        if not is_chief():
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        try:
            yield
            if _strategy:
                _sum_over_workers(0)  # returns when all have called it
        except Exception as error:
            if type(error).__name__ not in ("UnavailableError", "AbortedError"):
                raise
            tasks = re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", str(error))
            lost = [name for name in cluster.addresses if name != cluster.this and tuple(name.split()) in tasks]
            names = " and ".join(f"{name} at {cluster.addresses[name]}" for name in lost) or "the other workers"
            tqdm.write(f"error: lost {names}; the same command, on every worker, resumes", file=sys.stderr)
            sys.exit(1)


def select_strategy() -> "tf.distribute.Strategy":
    """In whose scope the model is to be built: of all workers, which it waits for, of all GPUs if this machine has
    several, or TensorFlow's default. To be called before anything is computed.

    What the chief does alone has to stay out of the scope: a variable made in it is one of all workers.
    """
    import tensorflow as tf

    global _strategy
    if cluster := read_cluster():
        print(f"{cluster.this} waits for {cluster.others}", file=sys.stderr, flush=True)
        _strategy = tf.distribute.MultiWorkerMirroredStrategy()
        return _strategy
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def check_resumed(step: int, folder: Path) -> None:
    """Raises UserError unless all workers go on from the same step."""
    if _strategy is None:
        return
    workers = len(read_cluster().addresses)
    squares = _sum_over_workers(step**2) - 2 * step * _sum_over_workers(step) + workers * step**2
    if squares:  # of the differences
        raise UserError(f"{folder}: the workers do not see the same checkpoint, here step {step}: share the folder")


def _sum_over_workers(value: int) -> int:
    import tensorflow as tf

    return int(_strategy.reduce("SUM", tf.constant(value, tf.int64), axis=None))


def shares(batches: "keras.utils.Sequence", strategy: "tf.distribute.Strategy") -> Any:
    """The batches for Keras' `fit`, which needs `steps_per_epoch` with them: every replica gets its rows of each batch.

    Every worker makes the whole batch and drops the others' rows, so that what is drawn at random or padded does not
    depend on their number.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = local * context.input_pipeline_id

        def rows():
            for batch in batches:
                for replica in range(first, first + local):
                    yield tf.nest.map_structure(lambda array, r=replica: rows_of_replica(array, r, replicas), batch)

        signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None] * array.ndim, array.dtype), batches[0])
        # Of a dataset without an end workers do not ask one another in each step whether there is more.
        return tf.data.Dataset.from_generator(rows, output_signature=signature).repeat().prefetch(2 * local)

    return strategy.distribute_datasets_from_function(of_worker)


def rows_of_replica(array: np.ndarray, replica: int, replicas: int) -> np.ndarray:
    """The rows of a batch that the `replica`-th of `replicas` computes, none if there are fewer rows than replicas."""
    return array[len(array) * replica // replicas : len(array) * (replica + 1) // replicas]
