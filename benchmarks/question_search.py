"""Measures time and memory of a search over a million questions, exact and approximate.

python benchmarks/question_search.py [--text TEXT]

TEXT is a file, a folder (its *.txt) or a pattern, by default `shared/corpus` next to the repository if it is there. Its
different clauses are the questions, and their vectors are the [CLS] of --encoder. Each index is built and searched in a
process of its own. recall is the share of the ten nearest that the approximate index finds as well.
"""

import argparse
import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from tools.harness import ROOT, ask, corpus_or_demo, messages, peak_memory, report, workers

from common.cli import run_command
from common.config import find_files
from common.files import read_lines

sys.path.insert(0, str(ROOT / "extras/similar_questions"))

NEAREST = 10


def main() -> None:
    args = parse_arguments()
    folder = ROOT / "runs/benchmarks/question_search"
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(dict.fromkeys(itertools.islice(clauses(args.text), 2 * args.questions)))[: args.questions]
    vectors, seconds = embedded(texts, args.encoder)
    np.save(folder / "vectors.npy", vectors)
    asked = vectors[:: len(vectors) // args.asked][: args.asked]
    cases = {name: (folder, name == "approximate") for name in ("exact", "approximate")}
    facts: dict[str, dict[str, float]] = {}
    found: dict[str, list[list[int]]] = {}
    rows = []
    with workers(build, cases) as on:
        for name, connection in on.items():
            facts[name] = ask(connection, "build")
    with workers(search, cases) as on:
        for name, connection in on.items():
            found[name], milliseconds, memory = ask(connection, asked)
            same = [len({*a} & {*b}) / NEAREST for a, b in zip(found["exact"], found[name], strict=True)]
            found_again = {"ms a question": milliseconds, "memory MB": memory, "recall": float(np.mean(same))}
            rows.append({"index": name} | facts[name] | found_again)
    rate = len(vectors) / seconds
    report("question_search", vars(args), rows, questions=len(vectors), questions_embedded_per_second=rate)


def clauses(text: str) -> Iterator[str]:
    """Yield the clauses of the files, those of 6 to 60 characters."""
    for file in find_files(text):
        for _, line in read_lines(file):
            yield from (part for part in re.findall(r"[^，。！？；]+[。！？；]?", line.strip()) if 6 <= len(part) <= 60)


def embedded(texts: list[str], encoder: str) -> tuple[np.ndarray, float]:
    """Return the vectors of texts, float32 [texts, size], and the seconds that they took."""
    from evaluate import encoder_embed

    embed = encoder_embed(encoder, Counter())
    embed(texts[:100])
    start = time.perf_counter()
    vectors = np.concatenate([embed(texts[first : first + 8192]) for first in range(0, len(texts), 8192)])
    return vectors, time.perf_counter() - start


def build(connection: Connection, folder: Path, approximate: bool) -> None:
    """Answer each message with the time to build an index of the vectors, and its size. This runs in a worker."""
    import faiss

    from search import CHUNK, empty_index

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    for _ in messages(connection):
        start = time.perf_counter()
        index = empty_index(vectors.shape[1], len(vectors), approximate, lambda step: np.array(vectors[::step]))
        for first in range(0, len(vectors), CHUNK):
            index.add(np.array(vectors[first : first + CHUNK]))
        seconds = time.perf_counter() - start
        file = index_file(folder, approximate)
        faiss.write_index(index, str(file))
        connection.send({"built in s": seconds, "on disk MB": file.stat().st_size / 1e6})


def search(connection: Connection, folder: Path, approximate: bool) -> None:
    """Search for the vectors of questions in each message. This runs in a worker.

    The answer has the nearest of each question, the milliseconds per question, and the MB of the index.
    """
    import faiss

    from search import LISTS_VISITED

    before = peak_memory()
    index: Any = faiss.read_index(str(index_file(folder, approximate)))  # its type lacks nprobe
    if approximate:
        index.nprobe = LISTS_VISITED
    for asked in messages(connection):
        start = time.perf_counter()
        _, found = index.search(asked, NEAREST)
        seconds = time.perf_counter() - start
        connection.send((found.tolist(), 1000 * seconds / len(asked), (peak_memory() - before) / 1e6))


def index_file(folder: Path, approximate: bool) -> Path:
    return folder / f"{'approximate' if approximate else 'exact'}.faiss"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default=corpus_or_demo(), help="one passage per line")
    parser.add_argument("--encoder", default=str(ROOT / "data/encoders/small"), help="folder or name on the hub")
    parser.add_argument("--questions", type=int, default=1_000_000, metavar="N", help="questions in the index")
    parser.add_argument("--asked", type=int, default=200, metavar="N", help="questions to search for")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
