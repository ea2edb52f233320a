"""Search for similar questions in an index on disk.

    python extras/similar_questions/search.py index --model RUN --input FILE --output INDEX [--approximate]
    python extras/similar_questions/search.py query --model RUN --index INDEX (--text TEXT | --input FILE|-) [--k N]

`index` writes the index, a folder. `query` prints one JSON object per question: {"text": ..., "similar": [{"text": ...,
"line": ..., "similarity": cosine}, ...]}. A blank question has no similar ones.
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
LEARNT_FROM = 64  # questions from which an approximate index learns, for each of its lists
LISTS_VISITED = 32  # lists of an approximate index that are searched for each question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="index|query")
    index = commands.add_parser("index", help="write an index")
    index.add_argument("--input", required=True, metavar="FILE", help="a question per line; blank lines are left out")
    index.add_argument("--output", required=True, type=Path, metavar="INDEX", help="a new folder")
    index.add_argument(
        "--approximate", action="store_true", help="search faster and in a quarter of the memory, but not exactly"
    )
    index.set_defaults(command=write_index)
    query = commands.add_parser("query", help="search an index")
    query.add_argument("--index", required=True, type=Path, metavar="INDEX", help="the folder that `index` wrote")
    asked = query.add_mutually_exclusive_group(required=True)
    asked.add_argument("--text", help="one question")
    asked.add_argument("--input", metavar="FILE", help="a question per line; - is standard input")
    query.add_argument("--k", type=int, default=10, metavar="N", help="print at most N for each question (default: 10)")
    query.set_defaults(command=search)
    for command in (index, query):
        command.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    args = parser.parse_args()
    args.command(args)


# --- index


def write_index(args: argparse.Namespace) -> None:
    """Write the index of the questions in a file. The file is read several times, first to check and count them."""
    if args.input == "-":
        raise UserError("--input -: expected a file, because the questions are read more than once")
    counts: Counter[str] = Counter()
    with new_folder(args.output) as folder:
        total = sum(1 for _ in questions_of(args.input))
        if not total:
            raise UserError(f"{args.input}: only blank lines, expected a question per line")
        embed = load_embed(args.model, counts)
        index = new_index(embed, args.input, total, args.approximate)
        counts.clear()  # `fill` counts all questions, also those that the index has learnt from
        fill(folder, index, embed, args.input, total)
        write_json(folder / "index.json", {"model": digest(args.model)})
    print_counts(counts)
    print(f"{total} questions: {args.output}")


def questions_of(path: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, question) of the lines that are not blank."""
    return ((number, text) for number, line in read_lines(path) if (text := line.strip()))


def new_index(embed: Embed, path: str, total: int, approximate: bool) -> faiss.Index:
    """Create an empty index for the questions of a file.

    Args:
        embed: turns questions into vectors.
        path: the file, a question per line.
        total: how many questions it has.
        approximate: whether to create an approximate index, which learns from some of the questions, or an exact one.
    """

    def every(step: int) -> np.ndarray:
        return embed([text for _, text in itertools.islice(questions_of(path), 0, None, step)])

    return empty_index(embed(["?"]).shape[1], total, approximate, every)


def empty_index(size: int, total: int, approximate: bool, every: Callable[[int], np.ndarray]) -> faiss.Index:
    """Create an empty index for searching by inner product.

    An approximate index keeps a byte for each number of a vector, and spreads the vectors over sqrt(total) lists. It
    learns the centres of these lists from some of the vectors.

    Args:
        size: how many numbers a vector has.
        total: how many vectors there will be.
        approximate: whether to create an approximate index or an exact one.
        every: called with n, it returns every n-th vector, float32 [vectors, size].
    """
    if not approximate:
        return faiss.IndexFlatIP(size)
    lists = math.isqrt(total)
    index = faiss.index_factory(size, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(every(max(total // (LEARNT_FROM * lists), 1)))
    return index


def fill(folder: Path, index: faiss.Index, embed: Embed, path: str, total: int) -> None:
    """Add the vectors of all questions, and write the index, the questions and their places.

    Args:
        folder: where to write.
        index: an empty index.
        embed: turns questions into vectors.
        path: the file of the questions.
        total: how many questions it has.
    """
    places = np.zeros((total, 2), np.int64)  # of each question: line in the input, first byte in questions.txt
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
    with (folder / "index.faiss").open("wb") as file:  # FAISS's own writer raises no OSError if the disk is full
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]  # not in its stubs


def digest(run_folder: str) -> str:
    """Return the SHA-256 of a run's weights, by which an index recognises the model that it was made with."""
    return hashlib.sha256(RunFolder(Path(run_folder)).weights.read_bytes()).hexdigest()


# --- query


def search(args: argparse.Namespace) -> None:
    """Print the questions that are similar to one question, or to each question of a file."""
    if args.k < 1:
        raise UserError(f"--k {args.k}: expected at least 1")
    for name in ("index.json", "index.faiss", "questions.txt", "places.npy"):
        if not (args.index / name).is_file():
            raise UserError(f"{args.index}: not an index, {name} is missing")
    index, places, model = read_index(args.index)
    load_run(args.model, Config)  # a mistake in the run or the first line is reported before TensorFlow loads
    if model != digest(args.model):
        raise UserError(f"{args.index}: was not made with the model of {args.model}; expected the run it was made with")
    if args.text is not None:
        asked: Iterable[str] = [args.text.strip()]
    else:
        asked = peeked(line.strip() for _, line in read_lines(args.input))
    counts: Counter[str] = Counter()
    embed = load_embed(args.model, counts)
    write_jsonl("-", find(asked, index, places, args.index / "questions.txt", embed, args.k))
    print_counts(counts)


def read_index(folder: Path) -> tuple[faiss.Index, np.ndarray, str]:
    """Read an index: its vectors, the places of its questions (int64 [questions, 2]), and the digest of its model.

    Raises UserError if it is damaged.
    """
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
    """Yield the record that is printed for each question.

    Args:
        asked: the questions.
        index: the vectors to search.
        places: the line in the input of each vector's question, and its first byte in `questions`: int64 [vectors, 2].
        questions: the file questions.txt of the index.
        embed: turns questions into vectors.
        k: how many similar questions to find for each.
    """
    with questions.open("rb") as file:
        for chunk in chunks(asked, CHUNK):
            for text, cosines, found in zip(chunk, *index.search(embed(chunk), min(k, index.ntotal)), strict=True):
                similar = []
                for cosine, i in zip(cosines.astype(float).round(4).tolist(), found.tolist(), strict=True):
                    if text and i >= 0:  # FAISS gives -1 if it has found fewer than k
                        line, first = places[i].tolist()
                        file.seek(first)
                        question = file.readline().decode().rstrip("\n")
                        similar.append({"text": question, "line": line, "similarity": cosine})
                yield {"text": text, "similar": similar}


if __name__ == "__main__":
    run_command(main)
