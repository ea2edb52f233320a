"""An index of questions on disk, and what in it is similar.

    python extras/similar_questions/search.py index --model RUN --input FILE --output INDEX [--approximate]
    python extras/similar_questions/search.py query --model RUN --index INDEX (--text TEXT | --input FILE|-) [--k N]

`index` writes a folder. `query` prints one JSON object per question: {"text": ..., "similar": [{"text": ...,
"line": ..., "similarity": cosine}, ...]}; a blank one has none.
"""

import argparse
import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from tqdm import tqdm

from common.cli import UserError, print_counts, run_command
from common.files import new_folder, peeked, read_json, read_lines, write_json, write_jsonl
from common.inference import chunks
from common.run_folder import RunFolder, load_run
from config import Config
from embed import Embed, load_embed

CHUNK = 8192  # questions in memory at a time
LEARNT_FROM = 64  # questions for each list of an approximate index
LISTS_VISITED = 32  # of an approximate index, for each question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="index|query")
    index = commands.add_parser("index", help="write an index")
    index.add_argument("--input", required=True, metavar="FILE", help="a question per line; blank lines are left out")
    index.add_argument("--output", required=True, type=Path, metavar="INDEX", help="a new folder")
    index.add_argument("--approximate", action="store_true", help="a quarter of the memory, faster, for millions")
    index.set_defaults(command=write_index)
    query = commands.add_parser("query", help="search an index")
    query.add_argument("--index", required=True, type=Path, metavar="INDEX", help="folder that `index` wrote")
    asked = query.add_mutually_exclusive_group(required=True)
    asked.add_argument("--text", help="one question")
    asked.add_argument("--input", metavar="FILE", help="a question per line; - is standard input")
    query.add_argument("--k", type=int, default=10, metavar="N", help="similar questions for each")
    query.set_defaults(command=search)
    for command in (index, query):
        command.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    args = parser.parse_args()
    args.command(args)


# --- index


def write_index(args: argparse.Namespace) -> None:
    """The input is read twice: the first time to check and count it."""
    if args.input == "-":
        raise UserError("--input -: the questions are read twice, expected a file")
    counts = Counter()
    with new_folder(args.output) as folder:
        total = sum(1 for _ in questions_of(args.input))
        if not total:
            raise UserError(f"{args.input}: only blank lines, expected a question per line")
        embed = load_embed(args.model, counts)
        index = new_index(embed, args.input, total, args.approximate)
        counts.clear()  # what the index has learnt from is read again
        fill(folder, index, embed, args.input, total)
        write_json(folder / "index.json", {"model": digest(args.model)})
    print_counts(counts)
    print(f"{total} questions: {args.output}")


def questions_of(path: str) -> Iterator[tuple[int, str]]:
    """(line number, question) of the lines that are not blank."""
    return ((number, text) for number, line in read_lines(path) if (text := line.strip()))


def new_index(embed: Embed, path: str, total: int, approximate: bool) -> faiss.Index:
    """An empty index for the questions of a file."""

    def every(step: int) -> np.ndarray:
        return embed([text for _, text in itertools.islice(questions_of(path), 0, None, step)])

    return empty_index(embed(["?"]).shape[1], total, approximate, every)


def empty_index(size: int, total: int, approximate: bool, every: Callable[[int], np.ndarray]) -> faiss.Index:
    """An index by inner product for `total` vectors. The approximate one has a byte for each of their numbers, and the
    square root of `total` lists, whose centres it learns from `every(n)`, each n-th vector.
    """
    if not approximate:
        return faiss.IndexFlatIP(size)
    lists = math.isqrt(total)
    index = faiss.index_factory(size, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(every(max(total // (LEARNT_FROM * lists), 1)))
    return index


def fill(folder: Path, index: faiss.Index, embed: Embed, path: str, total: int) -> None:
    """Adds the vectors of all questions, and writes the index, the questions and where each of them is."""
    places = np.zeros((total, 2), np.int64)  # line in the input, first byte in questions.txt
    done = 0
    with (folder / "questions.txt").open("wb") as file, tqdm(desc="indexing", total=total, unit=" questions") as bar:
        for chunk in chunks(questions_of(path), CHUNK):
            for row, (number, text) in enumerate(chunk, start=done):
                places[row] = number, file.tell()
                file.write(f"{text}\n".encode())
            done += len(chunk)
            index.add(embed([text for _, text in chunk]))
            bar.update(len(chunk))
    np.save(folder / "places.npy", places)
    with (folder / "index.faiss").open("wb") as file:  # FAISS by itself has no OSError where the disk is full
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def digest(run_folder: str) -> str:
    return hashlib.sha256(RunFolder(Path(run_folder)).weights.read_bytes()).hexdigest()


# --- query


def search(args: argparse.Namespace) -> None:
    if args.k < 1:
        raise UserError(f"--k {args.k}: expected at least 1")
    for name in ("index.json", "index.faiss", "questions.txt", "places.npy"):
        if not (args.index / name).is_file():
            raise UserError(f"{args.index}: not an index, {name} is missing")
    index, places, model = read_index(args.index)
    load_run(args.model, Config)  # what is wrong with it or with the input shows before TensorFlow is imported
    if model != digest(args.model):
        raise UserError(f"{args.index}: was made with another model than {args.model}")
    if args.input is not None:
        asked = peeked(line.strip() for _, line in read_lines(args.input))
    else:
        asked = [args.text.strip()]
    counts = Counter()
    embed = load_embed(args.model, counts)
    write_jsonl("-", find(asked, index, places, args.index / "questions.txt", embed, args.k))
    print_counts(counts)


def read_index(folder: Path) -> tuple[faiss.Index, np.ndarray, str]:
    """The vectors, the places of the questions, and the digest of the model. Raises UserError for a damaged one."""
    content = read_json(folder / "index.json")
    try:
        index = faiss.read_index(str(folder / "index.faiss"))
        places = np.load(folder / "places.npy", mmap_mode="r")
        if isinstance(index, faiss.IndexIVF):
            index.nprobe = LISTS_VISITED
        if places.shape != (index.ntotal, 2):
            raise ValueError("not as many questions as vectors")
        return index, places, content["model"]
    except (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, MemoryError) as error:
        raise UserError(f"{folder}: a damaged index ({error})") from None


def find(
    asked: Iterable[str], index: faiss.Index, places: np.ndarray, questions: Path, embed: Embed, k: int
) -> Iterator[dict[str, Any]]:
    """What is printed for each question."""
    with questions.open("rb") as file:
        for chunk in chunks(asked, CHUNK):
            for text, cosines, found in zip(chunk, *index.search(embed(chunk), min(k, index.ntotal)), strict=True):
                similar = []
                for cosine, i in zip(cosines.astype(float).round(4).tolist(), found.tolist(), strict=True):
                    if text and i >= 0:  # -1 where there are fewer
                        line, first = places[i].tolist()
                        file.seek(first)
                        question = file.readline().decode().rstrip("\n")
                        similar.append({"text": question, "line": line, "similarity": cosine})
                yield {"text": text, "similar": similar}


if __name__ == "__main__":
    run_command(main)
