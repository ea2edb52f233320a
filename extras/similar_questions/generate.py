"""Write similar questions for every line of a text.

    python extras/similar_questions/generate.py --model RUN --input FILE|- --output FILE|- [--n N]

The output has a JSON object for each line: {"text": ..., "similar": [{"text": ..., "similarity": cosine}, ...]}, most
similar first.
"""

import argparse
from collections import Counter

from tqdm import tqdm

from common.cli import UserError, print_counts, run_command
from common.files import peeked, read_lines, write_jsonl
from common.run_folder import load_run
from config import Config
from similar import generate_all, generation_arguments, load_generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="FILE", help="a question per line; - is standard input")
    parser.add_argument("--n", type=int, default=10, metavar="N", help="write at most N for each (default: 10)")
    args = generation_arguments(parser)
    if args.n < 1:
        raise UserError(f"--n {args.n}: expected at least 1")
    load_run(args.model, Config)  # a mistake in the run or the first line is reported before TensorFlow loads
    questions = peeked(line.strip() for _, line in read_lines(args.input))
    counts: Counter[str] = Counter()
    generate = load_generate(args, counts)
    records = ({"text": text, "similar": [found._asdict() for found in similar[: args.n]]}
               for text, similar in generate_all(generate, questions, args.batch_size))  # fmt: skip
    write_jsonl(args.output, tqdm(records, desc="generating", unit=" questions"))
    print_counts(counts)


if __name__ == "__main__":
    run_command(main)
