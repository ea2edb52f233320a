"""Cut sentences into words by what a masked language model knows about neighbours (perturbed masking).

With --text, the counts of neighbouring characters in that text decide as well.

    python extras/unsupervised_parsing/segment.py --encoder ENCODER --input FILE|- [--output FILE|-] [--json]
        [--threshold T | --text TEXT --word-length M]

The input has one sentence per line. The output has its words with spaces between them, or with --json one object per
line: {"text": ..., "tokens": [...], "scores": [...], "words": [...]}. Each score is of two neighbouring tokens.
"""

import argparse
import json
import math
import sys
from itertools import chain, islice

import numpy as np
from tqdm import tqdm

from common.cli import UserError, run_command
from common.encoder import resolve_encoder
from common.files import atomic_write, check_output_path
from joining import (
    SAMPLE,
    WORD_LENGTH,
    choose_threshold,
    count_joins,
    join,
    sample_sentences,
    score_neighbours,
    with_mutual_information,
)
from mutual import MutualInformation
from sentences import MAX_LENGTH, Sentence, read_sentences, read_text


def main() -> None:
    args = parse_arguments()
    check_output_path(args.output, args.input)
    sentences = (sentence for _, sentence in read_sentences(args.input))
    first = list(islice(sentences, SAMPLE))  # read now, so that a mistake in them is found before TensorFlow loads
    source = resolve_encoder(args.encoder, MAX_LENGTH)
    sample = sample_sentences(args.text) if args.text is not None else first
    if args.threshold is None:
        count_joins(sample, args.word_length)

    # TensorFlow is imported only now, when the input has been checked.
    from model import load_engine

    engine = load_engine(source)
    scored = score_neighbours(chain(first, sentences), source.tokenizer, engine)
    threshold = args.threshold
    if threshold is None:
        of_sample = list(score_neighbours(sample, source.tokenizer, engine))
        if args.text is not None:
            add = with_mutual_information(MutualInformation(read_text(args.text)), of_sample)
            of_sample, scored = list(map(add, of_sample)), map(add, scored)
        threshold = choose_threshold(of_sample, args.word_length)
        print(f"threshold {threshold:.9g}", file=sys.stderr)
    with atomic_write(args.output) as file:
        for sentence, scores in tqdm(scored, desc="segmenting", unit=" sentences"):
            file.write(to_line(sentence, scores, threshold, args.json) + "\n")


def to_line(sentence: Sentence, scores: np.ndarray, threshold: float, as_json: bool) -> str:
    """Return the line that is written for a sentence.

    Args:
        sentence: of n tokens.
        scores: float [n - 1], of neighbouring tokens.
        threshold: neighbours whose score is at least this are joined.
        as_json: whether to return JSON instead of words with spaces between them.
    """
    words = join(sentence, scores, threshold)
    if not as_json:
        return " ".join(words)
    rounded = [round(float(score), 4) for score in scores]
    record = {"text": sentence.text, "tokens": sentence.spans, "scores": rounded, "words": words}
    return json.dumps(record, ensure_ascii=False)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--input", required=True, metavar="FILE", help="one sentence per line; - is standard input")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument("--threshold", type=float, metavar="T", help="join neighbours whose score is at least T")
    parser.add_argument(
        "--text",
        help="text without labels: a file, a folder or a pattern. The mutual information of its characters is added to "
        f"what the encoder says, and {SAMPLE} of its lines choose the threshold (default: the input's first {SAMPLE})",
    )
    parser.add_argument(
        "--word-length",
        type=float,
        metavar="M",
        help=f"choose a threshold for words of M characters on average (default: {WORD_LENGTH})",
    )
    parser.add_argument("--json", action="store_true", help="write JSON with the scores")
    args = parser.parse_args()
    if args.threshold is not None and math.isnan(args.threshold):  # it would join nothing
        raise UserError("--threshold nan: expected a number")
    if args.threshold is not None and (args.text is not None or args.word_length is not None):
        raise UserError("--threshold: cannot be used with --text or --word-length, by which a threshold is chosen")
    args.word_length = WORD_LENGTH if args.word_length is None else args.word_length
    if not args.word_length > 0:  # this refuses NaN as well
        raise UserError(f"--word-length {args.word_length:g}: expected more than 0")
    return args


if __name__ == "__main__":
    run_command(main)
