"""Parse sentences into trees by the relatedness of their tokens or words (perturbed masking).

    python extras/unsupervised_parsing/parse.py --encoder ENCODER --input FILE|- [--output FILE|-] [--json]
        [--spans tokens|jieba|given] [--pictures FOLDER]

The input has one sentence per line, or is a treebank if its name ends in .conllu. The output has one tree per line, in
brackets or with --json as an object: {"line": ..., "words": [...], "brackets": [[start, end], ...], "heads": [...],
"parts": [...], "matrix": [[...], ...]}.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise, tee
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from common.cli import UserError, run_command
from common.encoder import resolve_encoder
from common.files import atomic_write, check_output_path
from common.inference import Engine
from common.tokenizer import Tokenizer
from joining import SAMPLE
from perturb import all_pairs, relatedness
from sentences import MAX_LENGTH, Sentence, cut_long, is_mark, read_sentences
from trees import Bracket, bracketed, tree_of

MOST_SPANS = 5000  # the most spans of a sentence, because its matrix has to fit into memory
MOST_DRAWN = 200  # a sentence with more words is not drawn


class Parse(NamedTuple):
    """The tree of a sentence of n spans, and the relatedness that it was made from."""

    words: list[str]
    brackets: list[Bracket]  # outer ones first
    heads: list[int]  # of each span; heads count from 1, and 0 is the root
    parts: list[
        int
    ]  # the first span of each part that was parsed by itself; [0] unless the sentence is blank or too long
    matrix: np.ndarray  # f(i, j), float32 [n, n]; 0 between parts


def main() -> None:
    args = parse_arguments()
    check_output_path(args.output, args.input)
    if args.pictures is not None:
        from pictures import draw, prepare

        prepare(args.pictures)
    sentences = check_sizes(read_sentences(args.input, args.spans), args.input)
    first = list(islice(sentences, SAMPLE))  # read now, so that a mistake in them is found before TensorFlow loads
    source = resolve_encoder(args.encoder, MAX_LENGTH)

    # TensorFlow is imported only now, when the input has been checked.
    from model import load_engine

    engine = load_engine(source)
    numbers, again = tee(chain(first, sentences))
    found = (sentence for _, sentence in again)
    with atomic_write(args.output) as file:
        parses = tqdm(parse(found, source.tokenizer, engine), desc="parsing", unit=" sentences")
        for (line, _), parsed in zip(numbers, parses, strict=True):
            if len(parsed.parts) > 1:
                tqdm.write(f"line {line}: too long, parsed in {len(parsed.parts)} parts", file=sys.stderr)
            if args.pictures is not None and len(parsed.words) > MOST_DRAWN:
                tqdm.write(f"line {line}: too long to be drawn", file=sys.stderr)
            elif args.pictures is not None and parsed.words:
                draw(parsed.words, parsed.matrix, parsed.brackets, Path(args.pictures) / str(line))
            tree = to_json(line, parsed) if args.json else bracketed(parsed.words, parsed.brackets)
            file.write(f"{tree}\n")


def check_sizes(sentences: Iterable[tuple[int, Sentence]], path: str) -> Iterator[tuple[int, Sentence]]:
    """Yield the sentences as they come. Raises UserError for one of more than `MOST_SPANS` spans."""
    for number, sentence in sentences:
        if len(sentence.spans) > MOST_SPANS:
            raise UserError(
                f"{path}, line {number}: {len(sentence.spans)} tokens or words, expected at most {MOST_SPANS}"
            )
        yield number, sentence


def parse(sentences: Iterable[Sentence], tokenizer: Tokenizer, engine: Engine) -> Iterator[Parse]:
    """Yield the parse of each sentence, streaming.

    For the tree, punctuation marks are related to nothing. A sentence that is too long for the encoder is parsed in
    parts, see `sentences.cut_long` and `trees.tree_of`.

    Args:
        sentences: their spans are the leaves of the trees.
        tokenizer: of the encoder.
        engine: runs `model.build_model`.
    """
    cut, again = tee((sentence, cut_long(sentence, tokenizer, overlap=0)) for sentence in sentences)
    pieces = (piece for _, found in again for _, piece in found)
    both_ways = relatedness(pieces, all_pairs, engine, tokenizer.mask_id)
    for sentence, found in cut:
        n = len(sentence.spans)
        parts = [first for first, _ in found]
        matrix = np.zeros((n, n), np.float32)
        for first, end in pairwise([*parts, n]):
            i, j = first + all_pairs(end - first).T
            matrix[i, j], matrix[j, i] = next(both_ways).T
        words = [not is_mark(span) for span in sentence.spans]
        yield Parse(sentence.spans, *tree_of(matrix * np.outer(words, words), parts), parts, matrix)


def to_json(line: int, parsed: Parse) -> str:
    """Return the line of JSON that is written for a sentence."""
    matrix = [[round(value, 4) for value in row] for row in parsed.matrix.tolist()]
    return json.dumps({"line": line, **parsed._asdict(), "matrix": matrix}, ensure_ascii=False)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--input", required=True, metavar="FILE", help="one sentence per line; - is standard input")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--spans",
        choices=("tokens", "jieba", "given"),
        default="tokens",
        help="leaves of the tree: tokens, or words by jieba or as given, with spaces between them",
    )
    parser.add_argument("--pictures", metavar="FOLDER", help="draw each sentence into LINE.svg and LINE.png")
    parser.add_argument("--json", action="store_true", help="write JSON with heads and relatedness")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
