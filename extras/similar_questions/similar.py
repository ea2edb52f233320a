"""Questions -> similar ones, most similar first; for generate.py and augment.py."""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files import check_output_path
from common.inference import chunks, tensorflow_engine
from common.run_folder import load_run
from config import Config
from dataset import tokenize
from embed import embed

DRAWING = {"samples": 30, "top_p": 0.95, "seed": 42}  # the options that --beam has no use for, and their defaults


class Similar(NamedTuple):
    text: str
    similarity: float  # cosine with the question


Generate = Callable[[Sequence[str]], list[list[Similar]]]  # for each question what is similar, most similar first


def generation_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with the options of what writes similar questions to a file. Raises UserError for values that
    cannot be, and an --output that cannot be written.
    """
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    parser.add_argument("--output", required=True, metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help=f"drawn for each question, before ranking (default: {DRAWING['samples']})",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help=f"draw from the likeliest tokens that together have it (default: {DRAWING['top_p']})",
    )
    parser.add_argument("--seed", type=int, help=f"of what is drawn (default: {DRAWING['seed']})")
    parser.add_argument("--beam", type=int, metavar="N", help="search with so many beams in place of drawing")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="questions at a time")
    args = parser.parse_args()
    for name, default in DRAWING.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif args.beam is not None:
            raise UserError(f"--beam draws nothing: expected without --{name.replace('_', '-')}")
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


def load_generate(args: argparse.Namespace, counts: Counter) -> Generate:
    """Load what writes similar questions, with the run and the options of the command line.

    Raises UserError for a folder that is no finished run, before TensorFlow is imported.
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
    """Keep each text once, in order, without those that are the question but for case, white space and punctuation."""
    seen, different = {bare(question)}, []
    for text in texts:
        key = bare(text)
        if key and key not in seen:
            seen.add(key)
            different.append(text)
    return different


def bare(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def generate_all(generate: Generate, questions: Iterable[str], size: int) -> Iterator[tuple[str, list[Similar]]]:
    """Each question with its similar ones, `size` at a time, streaming. A blank one has none."""
    for chunk in chunks(questions, size):
        asked = list(filter(bare, chunk))
        found = dict(zip(asked, generate(asked), strict=True)) if asked else {}
        yield from ((question, found.get(question, [])) for question in chunk)
