"""Print the masked accuracy and pseudo-perplexity of an encoder on a text, as one JSON object.

    python extras/pretraining/evaluate.py --encoder ENCODER --input TEXT [--dev] [--train TEXT]

The encoder must have a masked-language-model head. The masks are always the same for the same text and vocabulary.
"""

import argparse
import json

from baselines import Counts
from common.cli import UserError, run_command
from common.config import find_files
from common.encoder import resolve_encoder
from dataset import HELD_OUT, Text, Windows, to_corpus

MAX_LENGTH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument(
        "--input", required=True, metavar="TEXT", help="one passage per line: a file, a folder or a pattern"
    )
    parser.add_argument("--dev", action="store_true", help="only the passages that train.py keeps out for dev")
    parser.add_argument(
        "--train",
        metavar="TEXT",
        help="also score two baselines, which count tokens and pairs in this text (with --dev, not in dev passages)",
    )
    args = parser.parse_args()
    text = Text(find_files(args.input), "dev" if args.dev else "all")
    source = resolve_encoder(args.encoder, MAX_LENGTH)
    windows = Windows(to_corpus(text, source.tokenizer), source.tokenizer, MAX_LENGTH, MAX_LENGTH - 2)
    if not len(windows):
        where = f" among the passages kept out for dev (every {HELD_OUT}th of a file)" if args.dev else ""
        raise UserError(f"{args.input}: no token to score{where}")
    counts = None
    if args.train is not None:
        train = Text(find_files(args.train), "train" if args.dev else "all")
        if not train.digest[0]:
            raise UserError(f"{args.train}: no passage to count")
        counts = Counts((passage for _, passage in train), source.tokenizer)

    # TensorFlow is imported only now that the input has been checked.
    from common.inference import tensorflow_engine
    from masked import load_model, score

    scores: dict[str, float | dict[str, float]] = {}
    scores |= score(tensorflow_engine(load_model(source)), windows, source.tokenizer)
    if counts:
        for name, baseline in {"unigram": counts.unigram, "bigram": counts.bigram}.items():
            scores[name] = score(baseline, windows, source.tokenizer)
    print(json.dumps(scores))


if __name__ == "__main__":
    run_command(main)
