"""Shared by the benchmarks: options, the data, measuring in turns, and the report as a table and as JSON."""

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from common.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
LOAD = os.getloadavg()[0]  # of the minute before the start, so of other programs
TORCH_PYTHON = ROOT / "runs/benchmarks/torch/bin/python"  # made by `make bench-torch`
Case = Callable[[int], object]  # does the work of a round, given its number
PACKAGES = ("tensorflow", "tf-keras", "bert4keras", "openvino", "numpy")
# A base-size BERT with the published vocabulary, as `build_encoder` takes it.
BERT_BASE: dict[str, Any] = {
    "model": "bert", "vocab_size": 21128, "hidden_size": 768, "embedding_size": 768, "num_hidden_layers": 12,
    "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu_erf", "max_position": 512,
    "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip
# task -> the folders of its official data; CMRC 2018 stands in for the train file of DuReader-robust
OFFICIAL = {
    "relation_extraction": ("duie",),
    "event_extraction": ("duee",),
    "reading_comprehension": ("dureader_robust", "cmrc2018"),
}
SCHEMAS = {
    "relation_extraction": "schema.json",
    "event_extraction": "event_schema.json",
}  # reading comprehension has none


class Data(NamedTuple):
    """The files of relation extraction."""

    train: Path
    test: Path
    schema: Path


def official_or_demo(task: str, name: str) -> Path:
    """Return a file of a task's official data, or of its demo set if there is no official data.

    Official data is looked for in `data/`, and in `shared/data/` next to the repository.
    """
    places = (ROOT / "data", ROOT.parent / "shared/data")
    files = (place / official / name for official in OFFICIAL[task] for place in places)
    return next(filter(Path.is_file, files), ROOT / "data/demo" / task / name)


def duie_or_demo() -> Data:
    """Return the files of DuIE 2.0, or those of the demo set if they are not there."""
    train = official_or_demo("relation_extraction", "train.json")
    test = "test1.json" if train.parent.name == "duie" else "test.json"
    return Data(train, train.with_name(test), train.with_name("schema.json"))


def corpus_or_demo() -> str:
    """Return the text for pretraining: `shared/corpus` next to the repository, or the demo set if it is not there."""
    corpus = ROOT.parent / "shared/corpus"
    return str(corpus if corpus.is_dir() else ROOT / "data/demo/pretraining")


def first_items(path: Path, items: int) -> str:
    """Return the first lines of a train file.

    A file of reading comprehension is cut between paragraphs instead, as soon as it has so many questions.
    """
    if path.parent.name in ("reading_comprehension", *OFFICIAL["reading_comprehension"]):
        paragraphs = [paragraph for entry in read_json(path)["data"] for paragraph in entry["paragraphs"]]
        before = itertools.accumulate((len(paragraph["qas"]) for paragraph in paragraphs), initial=0)
        first = [paragraph for paragraph, questions in zip(paragraphs, before, strict=False) if questions < items]
        return json.dumps({"data": [{"paragraphs": first}]}, ensure_ascii=False)
    with path.open(encoding="utf-8") as file:
        return "".join(itertools.islice(file, items))


def make_parser(description: str, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser with --rounds, the option that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help="rounds that are measured")
    return parser


def in_turns(
    cases: Mapping[str, Case], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Measure the seconds of each case in each round, by the given clock.

    The cases are taken in turns (A B C A B C ...), so that a slow minute of the machine is shared by all. A case is
    called with the number of the round, from 1 to `rounds`, and before that once with 0 to warm up.
    """
    for case in cases.values():
        case(0)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(1, rounds + 1):
        for name, case in cases.items():
            start = clock()
            case(number)
            seconds[name].append(clock() - start)
    return seconds


@contextmanager
def workers(serve: Callable[..., None], cases: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Connection]]:
    """Start a process for each case, which runs `serve(connection, *arguments)` until its connection closes."""
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    connections, processes = {}, []
    for name, arguments in cases.items():
        connections[name], other = context.Pipe()
        processes.append(context.Process(target=serve, args=(other, *arguments)))
        processes[-1].start()
        other.close()  # so that a worker that dies is an EOFError here
    yield connections
    for process, connection in zip(processes, connections.values(), strict=True):
        connection.close()
        process.join()


def ask(connection: Connection, message: Any) -> Any:
    """Send a message to a worker and return its answer."""
    connection.send(message)
    return connection.recv()


def asking(connection: Connection, message: Any) -> Case:
    """Return a case that sends a worker the message in each round and waits for the answer."""
    return lambda _: ask(connection, message)


def messages(connection: Connection) -> Iterator[Any]:
    """Yield each message that a worker gets, until the other side closes."""
    while True:
        try:
            yield connection.recv()
        except EOFError:
            return


@contextmanager
def torch_process(python: Path, script: Path) -> Iterator[Callable[..., str] | None]:
    """Run a script in another interpreter, which has PyTorch.

    Yields a function that sends the script a message and returns its answer, or None if there is no such interpreter.
    """
    if not python.is_file():
        print(f"left out: PyTorch, as there is no {python} (run `make bench-torch`, or name another by --torch-python)")
        yield None
        return
    with subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        to_worker, from_worker = worker.stdin, worker.stdout

        def ask(**message: Any) -> str:
            print(json.dumps(message), file=to_worker, flush=True)
            answer = from_worker.readline()
            if not answer:
                raise RuntimeError("the process with PyTorch has died")
            return answer.strip()

        yield ask


def encoder_model(architecture: dict[str, Any], recompute: int = 0, precision: str = "auto") -> Any:
    """Build an encoder with dropout, AdamW, clipping, and a loss on its hidden states that costs nothing.

    Args:
        architecture: sizes of the encoder, as for `build_encoder`
        recompute: as in a config
        precision: as in a config

    Returns:
        A compiled `LossModel`.
    """
    import tensorflow as tf

    from common.config import OptimizerConfig
    from common.encoder import build_encoder, set_precision
    from common.loss_model import LossModel
    from common.optimizers import make_optimizer

    set_precision(precision)
    encoder = build_encoder(architecture, 0, recompute=recompute)
    model = LossModel(encoder.inputs, encoder(encoder.inputs))
    loss = lambda labels, hidden: tf.reduce_mean(tf.square(tf.cast(hidden, tf.float32) - 1), [1, 2])  # noqa: E731
    model.compile(make_optimizer(OptimizerConfig(), 1e-5, 1000), loss)
    return model


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes."""
    status = Path("/proc/self/status")  # on Linux, where ru_maxrss starts with that of the parent process
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))):
        return 1024 * int(found[1])
    kilobyte = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte


def median_ratio(a: list[float], b: list[float]) -> float:
    """Return the median over the rounds of a / b, the seconds of two cases."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def machine() -> dict[str, Any]:
    """Describe the machine, as far as the figures depend on it."""
    info = dict.fromkeys(("model name", "flags"), "")
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        info |= {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {
        "cpu": info["model name"] or platform.processor(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in info["flags"].split() if flag.startswith(("amx", "avx512"))],
        "load": round(LOAD, 2),
    }


def report(name: str, settings: dict[str, Any], rows: list[dict[str, Any]], **facts: Any) -> None:
    """Print the rows as a table and the facts after it, and write everything to runs/benchmarks/NAME.json.

    Args:
        name: name of the JSON file
        settings: options of the command
        rows: rows of the table, all with the same columns
        **facts: further figures
    """
    described = machine()
    flags = " ".join(described["flags"])
    print(
        f"{described['cpu']}, {described['cores']} cores, AVX-512: {_yes('avx512f' in flags)}, "
        f"AMX bfloat16: {_yes('amx_bf16' in flags)}, load {described['load']}"
    )
    _print_table(rows)
    for key, value in facts.items():
        print(f"{key.replace('_', ' ')}: {_shown(value)}")
    folder = ROOT / "runs/benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "settings": {key: str(x) if isinstance(x, Path) else x for key, x in settings.items()},
        "rows": rows,
        **facts,
    }
    write_json(folder / f"{name}.json", result)


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *rest = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(first, *(cell.strip().rjust(len(cell)) for cell in rest), sep="  ")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    return "-" if value is None else str(value)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
