"""Prediction by several workers, on this machine or on a Ray cluster, that gives what one process gives. Knows no task;
docs/scale_out.md shows how it is started. No TensorFlow at import.

The input is cut into blocks. A worker loads the model once and predicts one block after the other. What it finds goes
to a file in the folder OUTPUT.blocks; the output is put together from these in the order of the input. The name of such
a file tells which input, model, options and code it was made with: whatever stopped a run, the same command goes on.
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from common.cli import UserError
from common.files import make_folder, read_jsonl, write_jsonl
from common.inference import chunks

Predict = Callable[[Iterable], Iterable]  # inputs -> a prediction for each, in order

# Of a block, or of a worker that starts: as many are no accident.
LOSSES = 3
# Options that predictions do not depend on; of the model the content counts, not the name.
OTHER_OPTIONS = ("model", "input", "output", "workers", "ray")


@contextlib.contextmanager
def predicted(
    load: Callable[[argparse.Namespace], Predict], args: argparse.Namespace, inputs: Iterable, size: int
) -> Iterator[Iterable]:
    """The predictions for all inputs, in order: by this process or, with `--workers` or `--ray`, by others.

    load: a function of a module; makes of the arguments what predicts, once in each worker. args: of
    `common.cli.prediction_arguments`. size: of a block, which has to be how many inputs share batches in one process.

    Raises UserError where `inputs` or `load` do, and without a Ray cluster; ends with one line and exit code 1 when one
    block is lost `LOSSES` times.
    """
    if not (args.workers or args.ray):
        yield load(args)(inputs)
        return
    folder = Path(f"{args.output}.blocks")
    make_folder(folder)
    job = Job(load, args, os.getcwd(), digest(load, args))
    with contextlib.closing(Pool(actors(job) if args.ray else processes(job))) as pool:
        yield _in_order(pool, inputs, size, folder, job.digest)
    shutil.rmtree(folder)


def _in_order(pool: "Pool", inputs: Iterable, size: int, folder: Path, made_with: str) -> Iterator[Any]:
    """The predictions of each block when it and all before it are finished. In memory are a block for each worker, the
    next one, and the predictions that are given out.
    """
    files: deque[Path] = deque()
    for number, block in enumerate(chunks(inputs, size)):
        key = hashlib.sha256(f"{made_with} {block!r}".encode()).hexdigest()[:16]
        files.append(folder / f"{number:08d}-{key}.jsonl")
        if not files[-1].exists():
            name = f"{number * size + 1} to {number * size + len(block)} of the input"
            pool.submit(Task(name, block, files[-1]))
        while files and files[0].exists():
            yield from (prediction for _, prediction in read_jsonl(files.popleft()))
    pool.finish()
    for file in files:
        yield from (prediction for _, prediction in read_jsonl(file))


def digest(load: Callable, args: argparse.Namespace) -> str:
    """Of all that predictions depend on beside the input: the options, the files of the run folder, the code of the
    task and of this package.
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
    """Inputs to predict and the file for what is found, or the start of a worker, which has neither."""

    name: str
    block: list | None = None
    file: Path | None = None
    losses: int = 0


class Pool:
    """Gives tasks to workers; a task whose worker is lost goes to another one, and a new worker takes its place."""

    def __init__(self, workers: list["Process | Actor"]):
        self.workers = workers
        self.waiting: deque[Task] = deque()
        self.idle: list[Process | Actor] = []
        self.busy: dict[Process | Actor, Task] = {}
        for worker in workers:
            self._give(worker, Task("the start of a worker"))

    def submit(self, task: Task) -> None:
        """Returns when a worker has it."""
        self.waiting.append(task)
        while self.waiting:
            self._step()

    def finish(self) -> None:
        """Returns when all tasks are finished; a worker may still be starting."""
        while self.waiting or any(task.file for task in self.busy.values()):
            self._step()

    def close(self) -> None:
        type(self.workers[0]).stop(self.workers)

    def _step(self) -> None:
        if self.waiting and self.idle:
            self._give(self.idle.pop(), self.waiting.popleft())
            return
        worker = type(next(iter(self.busy))).first_ready(list(self.busy))
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

    def _give(self, worker: "Process | Actor", task: Task) -> None:
        worker.send(task.block)
        self.busy[worker] = task

    def _replace(self, worker: "Process | Actor", task: Task, lost: "LostError") -> None:
        task.losses += 1
        if task.losses == LOSSES:
            tqdm.write(f"error: {task.name}: {LOSSES} workers were lost with it, the last {lost}", file=sys.stderr)
            sys.exit(1)
        tqdm.write(f"a worker was lost, {lost}; once more: {task.name}", file=sys.stderr)
        if task.file:
            self.waiting.appendleft(task)
            task = Task("the start of a worker")
        self.workers.append(worker.another())
        self._give(self.workers[-1], task)


class LostError(Exception):
    """A worker is no more; says why."""


# --- the worker's side


@dataclass(frozen=True)
class Job:
    """What a worker is started for."""

    load: Callable[[argparse.Namespace], Predict]
    args: argparse.Namespace
    folder: str  # that paths are relative to
    digest: str


class Predictor:
    """Loads the model, then predicts blocks, on `threads` threads. An exception is an answer, too: a worker is lost
    only with its process.
    """

    def __init__(self, job: Job, threads: int):
        self.job = job
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(threads))  # read when TensorFlow or OpenVINO starts its threads

    def answer(self, block: list | None) -> list | Exception:
        """The predictions for a block; None is to load the model."""
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
        try:
            os.chdir(self.job.folder)
            here = digest(self.job.load, self.job.args)
        except OSError as error:
            here = f"{error.filename}: {error.strerror}"
        if here != self.job.digest:
            raise UserError(f"{self.job.args.model}: {platform.node()} has other files in it, or other code ({here})")


# --- processes of this machine


def processes(job: Job) -> list["Process"]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [Process(job, max(1, cores // job.args.workers)) for _ in range(job.args.workers)]


class Process:
    def __init__(self, job: Job, threads: int):
        self.arguments = job, threads
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, job, threads), daemon=True)
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child inherits that: Ctrl-C is ours alone
        self.process.start()
        signal.signal(signal.SIGINT, handler)
        other.close()  # so that the end of the process is the end of the connection

    @staticmethod
    def first_ready(workers: list["Process"]) -> "Process":
        ready = multiprocessing.connection.wait([worker.connection for worker in workers])
        return next(worker for worker in workers if worker.connection in ready)

    def send(self, block: list | None) -> None:
        with contextlib.suppress(ConnectionError):  # `receive` says that it has ended
            self.connection.send(block)

    def receive(self) -> list | Exception:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise LostError(f"process {self.process.pid} with exit code {self.process.exitcode}") from None

    def another(self) -> "Process":
        return Process(*self.arguments)

    @staticmethod
    def stop(workers: list["Process"]) -> None:
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
    """On each node as many as `--workers` says, else one; they share its cores and its GPUs."""
    try:
        import ray
    except ImportError:
        raise UserError('--ray: needs Ray, `pip install "ray==2.*"`') from None
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    try:
        _check_address(job.args.ray)
        environment = {"env_vars": {"PYTHONPATH": path}}
        ray.init(job.args.ray, runtime_env=environment, log_to_driver=False, logging_level="WARNING")
    except (ConnectionError, ValueError, SystemExit) as error:  # it exits where nobody answers
        raise UserError(f"--ray {job.args.ray}: no Ray cluster found ({error})") from None
    per_node = job.args.workers or 1
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise UserError(f"--ray {job.args.ray}: no node of the cluster has a CPU")
    return [Actor(job, node["NodeID"], node["Resources"], per_node) for node in nodes for _ in range(per_node)]


def _check_address(address: str) -> None:
    """Raises ConnectionError where nobody answers; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.rpartition("//")[2].strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(error) from None


class Actor:
    def __init__(self, job: Job, node: str, resources: dict[str, float], per_node: int):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.arguments = job, node, resources, per_node
        shares = {name: resources.get(name, 0) / per_node for name in ("CPU", "GPU")}
        cpus, gpus = (int(share) if share >= 1 else share for share in shares.values())  # above 1 Ray takes no fraction
        # on that node while it is there, else on any other that has room
        place = NodeAffinitySchedulingStrategy(node, soft=True)
        options = {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": place}
        self.actor = ray.remote(Predictor).options(**options).remote(job, max(1, int(cpus)))

    @staticmethod
    def first_ready(workers: list["Actor"]) -> "Actor":
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
            # the cause is in the last of many lines, guesses about it follow in the same
            raise LostError(str(error).strip().splitlines()[-1].partition(". ")[0]) from None

    def another(self) -> "Actor":
        return Actor(*self.arguments)

    @staticmethod
    def stop(workers: list["Actor"]) -> None:
        import ray

        ray.shutdown()  # ends those that this process has started
