"""Add similar questions to a SQuAD-like file, to train a reader on.

    python extras/similar_questions/augment.py --model RUN --input FILE --output FILE [--k N] [--similarity COSINE]

At most N similar questions are added after each question, most similar first. They have its answers, and if its id is
ID, theirs are ID-similar-1, ID-similar-2, ... Nothing else in the file changes.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from common.cli import UserError, print_counts, run_command
from common.files import read_json, write_json
from similar import Similar, generate_all, generation_arguments, load_generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="FILE", help="questions with contexts and answers")
    parser.add_argument("--k", type=int, default=2, metavar="N", help="add at most N to each question (default: 2)")
    parser.add_argument(
        "--similarity",
        type=float,
        default=0.9,
        metavar="COSINE",
        help="add only questions with at least this cosine (default: 0.9)",
    )
    args = generation_arguments(parser)
    if args.k < 1:
        raise UserError(f"--k {args.k}: expected at least 1")
    if not -1 <= args.similarity <= 1:
        raise UserError(f"--similarity {args.similarity}: expected -1 to 1")
    content = read_json(args.input)
    lists = list(question_lists(content, args.input))
    questions = list(dict.fromkeys(item["question"].strip() for items in lists for item in items))
    counts: Counter[str] = Counter()
    generate = load_generate(args, counts)
    similar = dict(tqdm(generate_all(generate, questions, args.batch_size), total=len(questions), unit=" questions"))
    before = sum(map(len, lists))
    for items in lists:
        items[:] = [new for item in items for new in with_similar(item, similar, args.k, args.similarity)]
    write_json(args.output, content)
    counts[f"questions added to {before}"] = sum(map(len, lists)) - before
    print_counts(counts)


def question_lists(content: Any, path: str | Path) -> Iterator[list[dict]]:
    """Yield the `qas` of each paragraph. Raises UserError, with the place, if the file has another form."""
    match content:
        case {"data": [*entries]}:
            pass
        case _:
            raise UserError(f'{path}: expected {{"data": [...]}}')
    for i, entry in enumerate(entries, start=1):
        match entry:
            case {"paragraphs": [*paragraphs]}:
                pass
            case _:
                raise UserError(f'{path}, entry {i}: expected {{"paragraphs": [...]}}')
        for j, paragraph in enumerate(paragraphs, start=1):
            match paragraph:
                case {"qas": list(items)} if all(is_question(item) for item in items):
                    yield items
                case _:
                    raise UserError(
                        f'{path}, entry {i}, paragraph {j}: expected {{"qas": [{{"id": ..., "question": ...}}, ...]}}'
                    )


def is_question(item: Any) -> bool:
    """Whether an item of `qas` has an id and a question."""
    match item:
        case {"id": str() | int(), "question": str()}:
            return True
    return False


def with_similar(item: dict, similar: dict[str, list[Similar]], k: int, least: float) -> Iterator[dict]:
    """Yield a question, and then the similar questions that are added, with its answers.

    Args:
        item: the question, as it is in the file.
        similar: the similar questions of each question, most similar first. A key is the text without white space at
            its ends.
        k: the most questions to add.
        least: the least cosine of a question that is added.
    """
    yield item
    close = [found.text for found in similar[item["question"].strip()] if found.similarity >= least]
    for number, text in enumerate(close[:k], start=1):
        yield item | {"id": f"{item['id']}-similar-{number}", "question": text}


if __name__ == "__main__":
    run_command(main)
