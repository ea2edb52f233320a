"""Measures the speed of pretraining with `small.json`, in tokens per second and as a share of the matrix peak.

python benchmarks/pretraining_step.py [--text TEXT]

The batches and the step are those of extras/pretraining/train.py. TEXT is `shared/corpus` next to the repository if it
is there, and about --passages passages from all over it are read. The operations that count are the products of the
encoder and of the head, times three for the gradients. In the last block only the tokens to be found count, apart from
keys and values. Padding counts as time, but not as tokens.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from matrix_peak import matrix_peak
from tools.harness import ROOT, corpus_or_demo, in_turns, make_parser, report

from common.batching import Batches
from common.cli import run_command
from common.config import find_files, load_config
from common.devices import devices
from common.encoder import build_encoder, resolve_encoder, set_precision
from common.optimizers import make_optimizer
from common.sparse_losses import token_crossentropy

sys.path.insert(0, str(ROOT / "extras/pretraining"))

from config import Config
from dataset import MASKED, Text, Windows, masked_batch, passes, to_corpus
from masked import build_model


class Passages:
    """Every n-th passage of a text, about `count` in all, so that they come from all files."""

    def __init__(self, text: Text, count: int):
        self.text, self.step = text, max(1, text.digest[0] // count)
        self.digest = (-(-text.digest[0] // self.step), "")

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return itertools.islice(self.text, 0, None, self.step)


def main() -> None:
    args = parse_arguments()
    config = load_config(Config, "small.json", ROOT / "extras/pretraining", [f"train_file={args.text}"])
    source = resolve_encoder(config.encoder)
    files = find_files(config.train_file)
    corpus = to_corpus(Passages(Text(files), args.passages), source.tokenizer)
    windows = Windows(corpus, source.tokenizer, config.max_length, config.stride)
    plan = passes(windows, [1.0] * len(files), config.batch_size, config.max_length, config.seed)
    order = list(itertools.islice(itertools.chain.from_iterable(plan), (args.rounds + 1) * args.steps))
    precision = set_precision("auto")
    with devices():
        encoder = build_encoder(source.architecture, config.seed, config.dropout, with_mlm=True, choose=True)
        model = build_model(encoder, config.seed)
        model.compile(make_optimizer(config.optimizer, config.learning_rate, len(order)), token_crossentropy)
    collate = partial(masked_batch, tokenizer=source.tokenizer, whole_words=config.whole_words)

    def steps(number: int) -> None:
        part = order[number * args.steps : (number + 1) * args.steps]
        model.fit(Batches(windows, part, collate, (config.seed, 0)))

    seconds = in_turns({precision: steps}, args.rounds)[precision]
    lengths = [windows.lengths[batch] for batch in order]
    rows = []
    for number, taken in enumerate(seconds, 1):
        batches = lengths[number * args.steps : (number + 1) * args.steps]
        flop = sum(operations(batch, source.architecture) for batch in batches)
        rows.append(
            {
                "round": number,
                "s/step": taken / args.steps,
                "tokens/s": sum(batch.sum() for batch in batches) / taken,
                "GFLOP/s": 1e-9 * flop / taken,
            }
        )
    peak = 1e-9 * matrix_peak()["bfloat16" if precision == "mixed_bfloat16" else "float32"]
    share = statistics.median(row["GFLOP/s"] for row in rows) / peak
    report("pretraining_step", vars(args), rows, precision=precision, peak_GFLOPs=peak, share_of_peak=share)


def operations(lengths: np.ndarray, architecture: dict[str, Any]) -> float:
    """Return the floating-point operations of a step on windows of these lengths, without padding."""
    size, vocabulary = architecture["hidden_size"], architecture["vocab_size"]
    keys_and_values = 4 * size**2  # for each token
    rest = 4 * size**2 + 4 * size * architecture["intermediate_size"]  # for each token that a block computes
    attention = 4 * size  # for each pair of tokens
    head = 2 * size * (size + vocabulary)
    layers = architecture["num_hidden_layers"]
    tokens, pairs = lengths.sum(), (lengths.astype(float) ** 2).sum()
    all_tokens = layers * keys_and_values * tokens + (layers - 1 + MASKED) * (rest * tokens + attention * pairs)
    return 3 * (all_tokens + MASKED * head * tokens)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--text", default=corpus_or_demo(), help="one passage per line")
    parser.add_argument("--passages", type=int, default=20_000, metavar="N", help="passages to read, roughly")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="steps of a round")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
