"""Prediction by several workers, on this machine or on a Ray cluster. The output is the same as from one process.

The input is cut into blocks. A worker loads the model once and then predicts one block after another. The predictions
of each block go to a file in the folder OUTPUT.blocks. The output is put together from these files in the order of the
input. The name of a file tells which input, model, options and code it was made with. So whatever has stopped a
prediction, the same command continues it.

This module knows no task, and importing it loads no TensorFlow. docs/scale_out.md shows how to use it.
"""

import argparse
import contextlib
import hashlib
import inspect
import multiprocessing
import multiprocessing.connection
import os
import platform
import shutil
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from tqdm import tqdm

from common.cli import UserError
from common.cores import count_cores
from common.files import make_folder, read_jsonl, write_jsonl
from common.inference import chunks

# Give up when the same block, or a worker's start, has failed this often.
LOSSES = 3
# Predictions do not depend on these options. The content of the model counts, but not its path.
OTHER_OPTIONS = ("model", "input", "output", "workers", "ray")


class Predict(Protocol):
    """Predicts inputs: returns one prediction for each, in order."""

    def __call__(self, inputs: Iterable[Any], /) -> Iterable[Any]: ...


class Load(Protocol):
    """Builds the predictor from the command's arguments. Workers import it, so it is a function of a module."""

    def __call__(self, args: argparse.Namespace, /) -> Predict: ...


@contextlib.contextmanager
def predicted(load: Load, args: argparse.Namespace, inputs: Iterable[Any], size: int) -> Iterator[Iterable[Any]]:
    """Give the predictions for all inputs in order, made by this process or (with `--workers` or `--ray`) by others.

    Args:
        load: builds the predictor, here or once in each worker.
        args: what `common.cli.prediction_arguments` returned.
        inputs: what to predict.
        size: the number of inputs in a block. The predictor has to cut its inputs into chunks of the same size, so that
            one process and several make the same batches.

    Raises:
        UserError: from `inputs` or `load`, if the folder for the blocks cannot be made, or if there is no Ray cluster.
        SystemExit: with one line and exit code 1, if `LOSSES` workers are lost with the same block or at their start.
    """
    if not (args.workers or args.ray):
        yield load(args)(inputs)
        return
    folder = Path(f"{args.output}.blocks")
    make_folder(folder)
    job = Job(load, args, os.getcwd(), digest(load, args))
    pool: Pool = Pool(actors(job)) if args.ray else Pool(processes(job))
    with contextlib.closing(pool):
        yield _in_order(pool, inputs, size, folder, job.digest)
    shutil.rmtree(folder)


def _in_order(pool: "Pool", inputs: Iterable[Any], size: int, folder: Path, made_with: str) -> Iterator[Any]:
    """Yield the predictions of all inputs in order. Those of a block follow when it and all before it are finished.

    The memory holds a block for each worker, the next block, and the predictions of one block.
    """
    files: deque[Path] = deque()
    for number, block in enumerate(chunks(inputs, size)):
        key = hashlib.sha256(f"{made_with} {block!r}".encode()).hexdigest()[:16]
        files.append(folder / f"{number:08d}-{key}.jsonl")
        if not files[-1].exists():
            name = f"inputs {number * size + 1} to {number * size + len(block)}"
            pool.submit(Task(name, block, files[-1]))
        while files and files[0].exists():
            yield from (prediction for _, prediction in read_jsonl(files.popleft()))
    pool.finish()
    for file in files:
        yield from (prediction for _, prediction in read_jsonl(file))


def digest(load: Load, args: argparse.Namespace) -> str:
    """Compute a digest of all that predictions depend on besides the input.

    These are the options, the files of the run folder, and the code of the task and of this package.
    """
    options = {name: value for name, value in vars(args).items() if name not in OTHER_OPTIONS}
    hashed = hashlib.sha256(repr(options).encode())
    code = (Path(source).parent.glob("*.py") for source in (inspect.getfile(load), __file__))
    for path in chain.from_iterable(map(sorted, (Path(args.model).glob("*"), *code))):
        if path.is_file():
            with path.open("rb") as file:
                hashed.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()


@dataclass
class Task:
    """A block of inputs and the file for their predictions, or the start of a worker, which has neither."""

    name: str  # for messages
    block: list | None = None
    file: Path | None = None
    losses: int = 0  # workers that were lost with it so far


class Worker(Protocol):
    """What a pool asks of its workers, which are all of one kind. A worker has one task at a time."""

    @classmethod
    def first_ready(cls, workers: list[Self]) -> Self:
        """Wait until one of the workers has an answer or is lost, and return that worker."""

    @classmethod
    def stop(cls, workers: list[Self]) -> None:
        """Stop the workers, whatever they are doing."""

    def send(self, block: list | None) -> None:
        """Give the worker a block to predict, or None to load the model."""

    def receive(self) -> list | Exception:
        """Return the answer to what was sent: predictions, or an exception. Raises LostError if the worker ended."""

    def another(self) -> Self:
        """Start another worker like this one."""


W = TypeVar("W", bound=Worker)


class Pool(Generic[W]):
    """Gives tasks to workers. If one is lost, another worker gets its task, and a new worker takes its place."""

    def __init__(self, workers: list[W]):
        self.kind = type(workers[0])
        self.workers = workers
        self.waiting: deque[Task] = deque()
        self.idle: list[W] = []
        self.busy: dict[W, Task] = {}
        for worker in workers:
            self._give(worker, Task("the start of a worker"))

    def submit(self, task: Task) -> None:
        """Queue a task, and wait until a worker has it."""
        self.waiting.append(task)
        while self.waiting:
            self._step()

    def finish(self) -> None:
        """Wait until all tasks are finished. A worker may still be starting then."""
        while self.waiting or any(task.file for task in self.busy.values()):
            self._step()

    def close(self) -> None:
        """Stop all workers."""
        self.kind.stop(self.workers)

    def _step(self) -> None:
        """Give a waiting task to an idle worker. If that is not possible, wait for an answer of a busy one."""
        if self.waiting and self.idle:
            self._give(self.idle.pop(), self.waiting.popleft())
            return
        worker = self.kind.first_ready(list(self.busy))
        task = self.busy.pop(worker)
        try:
            answer = worker.receive()
        except LostError as lost:
            self._replace(worker, task, lost)
            return
        if isinstance(answer, Exception):
            raise answer
        if task.file:
            write_jsonl(task.file, answer)
        self.idle.append(worker)

    def _give(self, worker: W, task: Task) -> None:
        worker.send(task.block)
        self.busy[worker] = task

    def _replace(self, worker: W, task: Task, lost: "LostError") -> None:
        """Start another worker in place of a lost one, and have the task of the lost one done again."""
        task.losses += 1
        if task.losses == LOSSES:
            tqdm.write(f"error: {task.name}: {LOSSES} workers were lost (the last: {lost})", file=sys.stderr)
            sys.exit(1)
        tqdm.write(f"a worker was lost ({lost}); trying again: {task.name}", file=sys.stderr)
        if task.file:
            self.waiting.appendleft(task)
            task = Task("the start of a worker")
        self.workers.append(worker.another())
        self._give(self.workers[-1], task)


class LostError(Exception):
    """A worker ended before it answered. The message says how."""


# --- the worker's side


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to start."""

    load: Load
    args: argparse.Namespace
    folder: str  # paths are relative to it
    digest: str  # what the function `digest` returns where the command was started


class Predictor:
    """Loads the model, then predicts blocks, on `threads` threads.

    It returns exceptions as answers, so that a worker is lost only with its process.
    """

    predict: Predict

    def __init__(self, job: Job, threads: int):
        self.job = job
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(threads))  # read when TensorFlow or OpenVINO starts its threads

    def answer(self, block: list | None) -> list | Exception:
        """Return the predictions for a block, or an exception. If `block` is None, only load the model."""
        try:
            if block is not None:
                return list(self.predict(block))
            self._check()
            self.predict = self.job.load(self.job.args)
            return []
        except UserError as error:
            return error
        except Exception:
            return RuntimeError(f"in a worker: {traceback.format_exc()}")

    def _check(self) -> None:
        """Raise UserError unless run folder and code are the same here as where the command was started."""
        try:
            os.chdir(self.job.folder)
            here = digest(self.job.load, self.job.args)
        except OSError as error:
            here = f"{error.filename}: {error.strerror}"
        if here != self.job.digest:
            where = f"{self.job.args.model}: on {platform.node()}"
            raise UserError(f"{where} this folder or the code differs, expected the same on every node ({here})")


# --- processes of this machine


def processes(job: Job) -> list["Process"]:
    """Start `--workers` processes, which share the cores of this machine."""
    return [Process(job, max(1, count_cores() // job.args.workers)) for _ in range(job.args.workers)]


class Process:
    """A worker that is a process of this machine."""

    def __init__(self, job: Job, threads: int):
        self.arguments = job, threads
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, job, threads), daemon=True)
        # The child inherits that Ctrl-C is ignored, so only the command itself reacts to it.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.process.start()
        signal.signal(signal.SIGINT, handler)
        other.close()  # so that the connection ends with the process

    @classmethod
    def first_ready(cls, workers: list[Self]) -> Self:
        ready = multiprocessing.connection.wait([worker.connection for worker in workers])
        return next(worker for worker in workers if worker.connection in ready)

    def send(self, block: list | None) -> None:
        with contextlib.suppress(ConnectionError):  # the process has ended, as `receive` will say
            self.connection.send(block)

    def receive(self) -> list | Exception:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise LostError(f"process {self.process.pid} ended with exit code {self.process.exitcode}") from None

    def another(self) -> Self:
        return type(self)(*self.arguments)

    @classmethod
    def stop(cls, workers: list[Self]) -> None:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def _serve(connection: multiprocessing.connection.Connection, job: Job, threads: int) -> None:
    predictor = Predictor(job, threads)
    with contextlib.suppress(EOFError, ConnectionError):  # the process that started this one has ended
        while True:
            connection.send(predictor.answer(connection.recv()))


# --- actors of a Ray cluster


def actors(job: Job) -> list["Actor"]:
    """Start `--workers` actors, by default one, on each node of the cluster. They share its cores and its GPUs."""
    try:
        import ray
    except ImportError:
        raise UserError('--ray: Ray is not installed; install it with `pip install "ray==2.*"`') from None
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    try:
        _check_address(job.args.ray)
        environment = {"env_vars": {"PYTHONPATH": path}}
        ray.init(job.args.ray, runtime_env=environment, log_to_driver=False, logging_level="WARNING")
    except (ConnectionError, ValueError, SystemExit) as error:  # Ray exits if nobody answers
        raise UserError(f"--ray {job.args.ray}: no Ray cluster found ({error})") from None
    per_node = job.args.workers or 1
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise UserError(f"--ray {job.args.ray}: no node of the cluster has a CPU")
    return [Actor(job, node["NodeID"], node["Resources"], per_node) for node in nodes for _ in range(per_node)]


def _check_address(address: str) -> None:
    """Raise ConnectionError if nobody answers at the address. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.rpartition("//")[2].strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(error) from None


class Actor:
    """A worker that is an actor of a Ray cluster."""

    def __init__(self, job: Job, node: str, resources: dict[str, float], per_node: int):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.arguments = job, node, resources, per_node
        shares = {name: resources.get(name, 0) / per_node for name in ("CPU", "GPU")}
        cpus, gpus = (int(share) if share >= 1 else share for share in shares.values())  # above 1 Ray takes no fraction
        # The actor runs on this node if it is there, otherwise on any that has room.
        place = NodeAffinitySchedulingStrategy(node, soft=True)
        options = {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": place}
        self.actor = ray.remote(Predictor).options(**options).remote(job, max(1, int(cpus)))

    @classmethod
    def first_ready(cls, workers: list[Self]) -> Self:
        import ray

        ((ready,), _) = ray.wait([worker.reference for worker in workers])
        return next(worker for worker in workers if worker.reference == ready)

    def send(self, block: list | None) -> None:
        self.reference = self.actor.answer.remote(block)

    def receive(self) -> list | Exception:
        import ray

        try:
            return ray.get(self.reference)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            # The last of Ray's many lines begins with the cause. Guesses about it follow.
            raise LostError(str(error).strip().splitlines()[-1].partition(". ")[0]) from None

    def another(self) -> Self:
        return type(self)(*self.arguments)

    @classmethod
    def stop(cls, workers: list[Self]) -> None:
        import ray

        ray.shutdown()  # ends all actors that this process has started
