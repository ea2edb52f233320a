"""Lets the process or the disk of a training fail at a random moment, and checks what is left, for the three tasks.

python tests/stress/faults.py [--kills 20] [--seed N]

Each task trains one small model with dropout on a part of its demo set. Its process is hit by

- SIGKILL, first while the run folder is being made, later at any moment after the model is built or while a chosen
  file is being written,
- SIGINT (Ctrl-C), at any moment from the start of Python on,
- a full disk, at any moment after the model is built.

After every hit, all files of the run folder that have their final name are read ("whole"). Then the same command is
started again. It has to resume from the last checkpoint ("goes on from"), and is hit again. A run that reaches its end
has to equal one to which nothing happened ("equal"): history and metrics exactly, the best weights and the state of
training to 1e-6.

Each fsync takes 20 ms longer than it would, so that there is time to hit a file that is being written. If mounting is
allowed, the disk is a tmpfs that is filled up except for some bytes. If not, no file of the process can grow beyond
some bytes (RLIMIT_FSIZE).
"""

import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import matplotlib.image
import tensorflow as tf

from common.cli import run_command
from common.files import read_json
from common.run_folder import RunFolder
from common.testing.runs import assert_equal_runs, history, read_report, write_tiny_config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/tools"))

from harness import ROOT, first_items, report

TASKS: dict[str, dict[str, Any]] = {
    "relation_extraction": {"schema_file": "data:demo/relation_extraction/schema.json", "max_length": 320},
    "event_extraction": {"schema_file": "data:demo/event_extraction/event_schema.json", "max_length": 320},
    "reading_comprehension": {"max_length": 192, "stride": 64},
}
# What to hit while it is being written: a pattern of files that exist only then, and the most writes to wait for.
WRITING = {
    "run folder": ("vocab.txt", 1),
    "checkpoint": ("checkpoint/ckpt-*_temp/*", 6),
    "best weights": (".model.weights.h5.*.tmp", 2),
    "curves": (".curves.png.*.tmp", 3),
    "report": ("report/.*.tmp", 3),
}
UNFINISHED = (".*.tmp", "report/.*.tmp", "checkpoint/ckpt-*_temp/*", "checkpoint/checkpoint.tmp*")
# How a training should end: its exit code, and the exception or the file that does not fit. SIGINT is handled by Python
# itself before our first line runs, and by the system after our last line.
ENDS = {"SIGKILL": r"-9", "SIGINT": r"130|(-2|1), KeyboardInterrupt|-2", "disk full": r"2, [\w.]+"}
DISK = 256_000_000
SLOW_DISK = "import os, time; fsync = os.fsync; os.fsync = lambda file: (time.sleep(0.02), fsync(file))"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


class Fault(NamedTuple):
    """What hits a training, and when."""

    kind: str  # a key of ENDS
    moment: str  # a key of WRITING, or "any"


class Training:
    """A process that trains, and what its output and its run folder say of it."""

    def __init__(self, config: Path, folder: Path):
        self.run, self.output = RunFolder(folder), config.with_name("output.txt")
        self.was_finished = self.run.metrics.exists()
        self.had_checkpoint = tf.train.latest_checkpoint(self.run.checkpoints) is not None
        self.had_logs = set(self.run.logs.glob("*"))
        command = [sys.executable, str(ROOT / config.parent.name / "train.py"), "--config", str(config)]
        command += ["--output", str(folder)]
        environment = os.environ | THREADS
        environment["PYTHONPATH"] = f"{config.parent}:{environment.get('PYTHONPATH', '')}"  # for sitecustomize.py
        self.started = time.monotonic()
        with self.output.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)

    def runs_for(self, seconds: float) -> bool:
        """Wait for some seconds; return False if the process ends within them."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def runs_until_built(self) -> bool:
        while set(self.run.logs.glob("*")) == self.had_logs:  # a new one is begun just before the first step
            if not self.runs_for(0.01):
                return False
        return True

    def runs_until_writing(self, pattern: str, times: int) -> bool:
        before = False
        while self.process.poll() is None:
            now = any(self.run.path.glob(pattern))
            if now and not before:
                times -= 1
            if times == 0:
                return True
            before = now
            time.sleep(0.001)
        return False

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def moment(self) -> str:
        """Return the last step that the progress bar has shown."""
        steps = re.findall(r"epoch (\d+):.*?(\d+)/\d+ ", self.said())
        return "epoch {}, step {}".format(*steps[-1]) if steps else "before a step"

    def came_from(self) -> str:
        """Return where the training has started, or "NO" if it should have resumed and did not."""
        if found := re.search(r"resuming after (\d+ epochs) and (\d+ steps)", self.said()):
            return ", ".join(found.groups())
        if self.was_finished:
            return "its end"
        if self.process.returncode == 0 and self.had_checkpoint:
            return "NO"
        return "hit too early" if self.had_checkpoint else "the start"


def main() -> None:
    args = parse_arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
    rng = random.Random(args.seed)
    rows = []
    with tempfile.TemporaryDirectory() as place, small_disk(Path(place) / "disk") as disk:
        full = "tmpfs" if os.path.ismount(disk) else "RLIMIT_FSIZE"
        for number, (task, settings) in enumerate(TASKS.items()):
            config = write_data(Path(place) / task, settings)
            kills = len(range(number, args.kills, len(TASKS)))
            rows += hit(config, disk, draw_faults(kills, rng), rng)
    report("faults", vars(args), rows, full_disk_by=full)
    good = [row["whole"] == row["equal"] == "yes" and re.fullmatch(ENDS[row["hit by"]], row["ends"]) for row in rows]
    sys.exit(not all(good))


def draw_faults(kills: int, rng: random.Random) -> list[Fault]:
    """Return the faults of one task. The first hits a new run, and the others come in any order."""
    writing = list(WRITING)[1:]
    others = [Fault("SIGKILL", rng.choice(writing) if number % 2 else "any") for number in range(1, kills)]
    others += [Fault("SIGINT", "any"), Fault("disk full", "any")] * 2
    return [Fault("SIGKILL", "run folder"), *rng.sample(others, len(others))]


def hit(config: Path, disk: Path, faults: list[Fault], rng: random.Random) -> list[dict[str, Any]]:
    """Hit trainings with these faults, one after the other, and return a row of the table for each.

    Args:
        config: the config of the trainings
        disk: the folder in which the run folder is made
        faults: the faults in their order; each is removed from the list when it has happened
        rng: chooses the moments
    """
    expected = Training(config, config.parent / "expected")
    seconds = measure(expected)
    rows: list[dict[str, Any]] = []
    of_this_run: list[dict[str, Any]] = []
    while faults or of_this_run:
        training = Training(config, disk / "run")
        struck = bool(faults) and strike(training, faults[0], seconds, rng)
        code = training.process.wait()
        (disk / "ballast").unlink(missing_ok=True)
        if of_this_run:
            of_this_run[-1]["goes on from"] = training.came_from()
        if code == 0:
            equal = is_equal(training.run.path, expected.run.path)
            for row in of_this_run:
                row["equal"] = equal
            of_this_run = []
            shutil.rmtree(training.run.path)
        elif struck:
            rows.append(describe(faults.pop(0), training, expected.run))
            of_this_run.append(rows[-1])
            print(*list(rows[-1].values())[:-2], sep="  ", flush=True)
        else:
            sys.exit(training.said())
    return rows


def measure(training: Training) -> tuple[float, float]:
    """Wait for a training, and return its seconds until the model is built and from then on."""
    training.runs_until_built()
    built = time.monotonic()
    if training.process.wait():
        sys.exit(training.said())
    return built - training.started, time.monotonic() - built


def strike(training: Training, fault: Fault, seconds: tuple[float, float], rng: random.Random) -> bool:
    """Hit a training with a fault.

    Args:
        training: a training that has just been started
        fault: what hits it, and when
        seconds: how long such a training takes until the model is built, and from then on
        rng: chooses the moment

    Returns:
        False if the process has ended before the moment.
    """
    if fault.moment in WRITING:
        pattern, times = WRITING[fault.moment]
        runs = training.runs_until_writing(pattern, rng.randint(1, times))
        time.sleep(rng.uniform(0, 0.02))
    elif fault.kind == "SIGINT":
        runs = training.runs_for(rng.uniform(0, sum(seconds)))
    else:
        runs = training.runs_until_built() and training.runs_for(rng.uniform(0, seconds[1]))
    if fault.kind == "disk full":
        fill(training, left=int(2e7 * rng.random() ** 3))  # a checkpoint has 14 MB, the curves 50 kB
    else:
        training.process.send_signal(getattr(signal, fault.kind))
    return runs


def fill(training: Training, left: int) -> None:
    """Fill the disk up to `left` bytes. If it is not a tmpfs, limit the files of the training to that size."""
    disk = training.run.path.parent
    if os.path.ismount(disk):
        free = os.statvfs(disk)
        with suppress(OSError):  # the process has filled the disk before
            (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left)))
    elif training.process.poll() is None:
        left = max(left, 100_000)  # its output goes to a file as well
        resource.prlimit(training.process.pid, resource.RLIMIT_FSIZE, (left, left))


def describe(fault: Fault, training: Training, expected: RunFolder) -> dict[str, Any]:
    """Return the row of a training that was hit. Its last two columns are known only later."""
    unfinished = [path for pattern in UNFINISHED for path in training.run.path.glob(pattern)]
    names = [path.name if path.parent == training.run.path else path.parent.name for path in unfinished]
    ends, said = str(training.process.returncode), training.said()
    if "Traceback" in said:
        ends += f", {said.splitlines()[-1]}"
    elif error := re.search(r"^error: .*/(\S+): cannot be written \(", said, re.MULTILINE):
        ends += f", {error[1]}"
    return {
        "task": training.output.parent.name,
        "hit by": fault.kind,
        "aimed at": fault.moment,
        "moment": training.moment(),
        "half-written": ", ".join(re.sub(r"\.\d+\.tmp|_temp|\.tmp.*", "", name).lstrip(".") for name in names) or None,
        "ends": ends,
        "whole": whole(training.run, expected),
        "goes on from": None,
        "equal": None,
    }


def whole(run: RunFolder, expected: RunFolder) -> str:
    """Read all files that have their final name; return "yes", or "NO" with the first error."""
    try:
        for path in (run.config, run.architecture, run.metrics):
            if path.exists():
                read_json(path)
        if run.config.exists():  # the config is written last
            for path in (run.vocabulary, run.schema):
                ours, theirs = (folder / path.name for folder in (run.path, expected.path))
                assert not theirs.exists() or ours.read_bytes() == theirs.read_bytes(), path.name
        if run.history.exists():
            rows = history(run.path)
            assert rows == history(expected.path)[: len(rows)]
        for picture in (run.curves, *run.report.glob("[!.]*.png")):
            if picture.exists():
                matplotlib.image.imread(picture)
        if (run.report / "report.html").exists():
            read_report(run.report)
        if run.weights.exists():
            with h5py.File(run.weights) as file:
                file.visititems(lambda _, item: item[()] if hasattr(item, "dtype") else None)
        if latest := tf.train.latest_checkpoint(run.checkpoints):
            checkpoint = tf.train.load_checkpoint(latest)
            for name in checkpoint.get_variable_to_shape_map():
                checkpoint.get_tensor(name)  # compares the checksum
    except Exception as error:
        return f"NO: {error}"
    return "yes"


def is_equal(run: Path, expected: Path) -> str:
    try:
        assert_equal_runs(run, expected)
    except AssertionError as error:
        return f"NO: {error}"
    return "yes"


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(path)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield path
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", path], check=True)


def write_data(folder: Path, settings: dict[str, Any]) -> Path:
    """Write a part of a task's demo set and a config, and return the config. The folder has the name of the task."""
    folder.mkdir()
    train = ROOT / "data/demo" / folder.name / "train.json"
    for name, items in (("train.json", 60), ("dev.json", 20)):
        (folder / name).write_text(first_items(train, items), encoding="utf-8")
    (folder / "sitecustomize.py").write_text(SLOW_DISK, encoding="utf-8")
    # the encoder is wider than in the tests, so that writing takes longer
    return write_tiny_config(folder, **settings, encoder={"hidden_size": 128, "layers": 1, "heads": 2})


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="SIGKILLs over the three tasks")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the moments")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
