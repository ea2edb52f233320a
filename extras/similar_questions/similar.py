"""Writes similar questions and ranks them, for generate.py and augment.py."""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from common.cli import UserError
from common.files import check_output_path
from common.inference import chunks, tensorflow_engine
from common.run_folder import load_run
from config import Config
from dataset import tokenize
from embed import embed

DRAWING = {"samples": 30, "top_p": 0.95, "seed": 42}  # options that make no sense with --beam, and their defaults


class Similar(NamedTuple):
    """A similar question."""

    text: str
    similarity: float  # cosine with the question


class Generate(Protocol):
    """Writes similar questions."""

    def __call__(self, questions: Sequence[str]) -> list[list[Similar]]:
        """Return the similar questions of each question, most similar first."""


def generation_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Add the options that generate.py and augment.py share, and parse the command line.

    The parser has --input already. Raises UserError for impossible values, and for an --output that cannot be written.
    """
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    parser.add_argument("--output", required=True, metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help=f"how many to draw for each question before ranking (default: {DRAWING['samples']})",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help=f"draw from the likeliest tokens that together have probability P (default: {DRAWING['top_p']})",
    )
    parser.add_argument("--seed", type=int, help=f"seed of the drawing (default: {DRAWING['seed']})")
    parser.add_argument("--beam", type=int, metavar="N", help="search with N beams instead of drawing")
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="questions processed together (default: 16)"
    )
    args = parser.parse_args()
    for name, default in DRAWING.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif args.beam is not None:
            raise UserError(f"--{name.replace('_', '-')}: cannot be used with --beam, which draws nothing")
    for name in ("samples", "beam", "batch_size"):
        value = getattr(args, name)
        if value is not None and not 1 <= value <= 1000:
            raise UserError(f"--{name.replace('_', '-')} {value}: expected 1 to 1000")
    if not 0 < args.top_p <= 1:
        raise UserError(f"--top-p {args.top_p}: expected more than 0 and at most 1")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected at least 0")
    check_output_path(args.output, args.input)
    return args


def load_generate(args: argparse.Namespace, counts: Counter[str]) -> Generate:
    """Load a finished run, and return a function that writes similar questions with it.

    `args` comes from `generation_arguments`. `counts` gets how many questions are cut, and how many have no token.
    Raises UserError if the folder is not a finished run, before TensorFlow is imported.
    """
    folder, config, source = load_run(args.model, Config)

    from decoder import Decoder
    from generation import beam_search, sample
    from model import load_encoder, question_model

    tokenizer, longest = source.tokenizer, config.question_length
    encoder = load_encoder(folder, config, source)
    decoder = Decoder(encoder, source.architecture)
    engine = tensorflow_engine(question_model(encoder))

    def generate(questions: Sequence[str]) -> list[list[Similar]]:
        tokens = tokenize(questions, tokenizer, longest, counts)
        inputs = [tokens[question] for question in questions]
        if args.beam:
            written = beam_search(decoder, tokenizer, inputs, args.beam, longest)
        else:
            seeds = [(args.seed, *question.encode(errors="surrogatepass")) for question in questions]
            written = sample(decoder, tokenizer, inputs, args.samples, args.top_p, longest, seeds)
        texts = [
            different_from(question, map(tokenizer.decode, of_one))
            for question, of_one in zip(questions, written, strict=True)
        ]
        vectors = embed([*questions, *itertools.chain(*texts)], engine, tokenizer, longest)
        similar = []
        end = len(questions)
        for vector, of_one in zip(vectors[:end], texts, strict=True):
            start, end = end, end + len(of_one)
            cosines = np.matmul(vectors[start:end], vector).astype(float).round(4).tolist()
            similar.append(sorted(map(Similar, of_one, cosines), key=lambda found: -found.similarity))
        return similar

    return generate


def different_from(question: str, texts: Iterable[str]) -> list[str]:
    """Drop the texts that are the same as the question or as an earlier text, or have no letters and digits.

    Case, white space and punctuation make no difference.

    >>> different_from("怎么退款", ["怎么退款？", "如何退款", "如何退款。"])
    ['如何退款']
    """
    seen, different = {bare(question)}, []
    for text in texts:
        key = bare(text)
        if key and key not in seen:
            seen.add(key)
            different.append(text)
    return different


def bare(text: str) -> str:
    """Return the letters and digits of a text, in lower case."""
    return "".join(filter(str.isalnum, text.lower()))


def generate_all(generate: Generate, questions: Iterable[str], size: int) -> Iterator[tuple[str, list[Similar]]]:
    """Yield each question with its similar questions, streaming.

    Args:
        generate: writes similar questions.
        questions: texts. One without letters and digits gets no similar questions.
        size: how many questions `generate` gets at a time.
    """
    for chunk in chunks(questions, size):
        asked = list(filter(bare, chunk))
        found = dict(zip(asked, generate(asked), strict=True)) if asked else {}
        yield from ((question, found.get(question, [])) for question in chunk)
