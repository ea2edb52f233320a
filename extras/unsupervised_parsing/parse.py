"""Sentences -> relatedness of all their tokens or words -> trees (perturbed masking).

    python extras/unsupervised_parsing/parse.py --encoder ENCODER --input FILE|- [--output FILE|-] [--json]
        [--spans tokens|jieba|own|given] [--threshold T] [--pictures FOLDER]

One sentence per line in, one tree in brackets out; with --json one object per line: {"line": ..., "words": [...],
"brackets": [[start, end], ...], "heads": [...], "parts": [...], "matrix": [[...], ...]}. An input whose name ends in
.conllu is a treebank.
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
from joining import SAMPLE, check_threshold, join, score_neighbours
from perturb import all_pairs, relatedness
from sentences import MAX_LENGTH, Sentence, cut_long, is_mark, read_sentences
from trees import Bracket, bracketed, tree_of

MOST_SPANS = 5000  # of a sentence
MOST_DRAWN = 200


class Parse(NamedTuple):
    """Of a sentence of n spans."""

    words: list[str]
    brackets: list[Bracket]  # each before those inside it
    heads: list[int]  # from 1; 0 is the root
    parts: list[int]  # where those begin that were masked by themselves: 0 alone, if the sentence is not too long
    matrix: np.ndarray  # f(i, j), float32 [n, n]; 0 between parts


def main() -> None:
    args = parse_arguments()
    check_output_path(args.output, args.input)
    if args.pictures is not None:
        from pictures import draw, prepare

        prepare(args.pictures)
    spans = "tokens" if args.spans == "own" else args.spans
    sentences = check_sizes(read_sentences(args.input, spans), args.input)
    first = list(islice(sentences, SAMPLE))  # a mistake in the first lines is found at once
    source = resolve_encoder(args.encoder, MAX_LENGTH)

    # TensorFlow is imported only here, when the input has been checked
    from model import load_engine

    engine = load_engine(source)
    numbers, again = tee(chain(first, sentences))
    found = (sentence for _, sentence in again)
    if args.spans == "own":
        scored = score_neighbours(found, source.tokenizer, engine)
        found = (Sentence(join(sentence, scores, args.threshold)) for sentence, scores in scored)
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
    """Raises UserError for a line so long that its matrix would not fit the memory."""
    for number, sentence in sentences:
        if len(sentence.spans) > MOST_SPANS:
            raise UserError(f"{path}, line {number}: {len(sentence.spans)} tokens or words, {MOST_SPANS} is the most")
        yield number, sentence


def parse(sentences: Iterable[Sentence], tokenizer: Tokenizer, engine: Engine) -> Iterator[Parse]:
    """The tree takes punctuation marks to be related to nothing. A sentence of more than `MAX_LENGTH` tokens is parsed
    in parts, which then hang together from the right.
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
    matrix = [[round(value, 4) for value in row] for row in parsed.matrix.tolist()]
    return json.dumps({"line": line, **parsed._asdict(), "matrix": matrix}, ensure_ascii=False)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--input", required=True, metavar="FILE", help="one sentence per line; - is standard input")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--spans",
        choices=("tokens", "jieba", "own", "given"),
        default="tokens",
        help="what the tree is over: tokens, words by jieba or as segment.py cuts, or as given",
    )
    parser.add_argument("--threshold", type=float, metavar="T", help="of segment.py, for --spans own")
    parser.add_argument("--pictures", metavar="FOLDER", help="draw each sentence: LINE.svg and LINE.png")
    parser.add_argument("--json", action="store_true", help="JSON with heads and relatedness")
    args = parser.parse_args()
    check_threshold(args.threshold)
    if (args.spans == "own") != (args.threshold is not None):
        raise UserError("--spans own and --threshold T need each other; segment.py says which T it chose")
    return args


if __name__ == "__main__":
    run_command(main)
