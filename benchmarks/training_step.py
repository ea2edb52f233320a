"""Seconds per training step of a task's `small.json` with either head, and the share of padding in its batches.

python benchmarks/training_step.py [--task relation_extraction|event_extraction]

Both heads train on the same batches of one epoch, a few steps in turns. The share of padding is that of a
whole epoch. The official train file where it is, else that of the demo set.
"""

import argparse
import statistics
import sys
from collections import Counter
from functools import partial

import numpy as np
from tools.harness import ROOT, duie_or_demo, in_turns, make_parser, report

from common.batching import bucketed_batches, padding_waste
from common.cli import run
from common.config import load_config
from common.encoder import build_encoder, resolve_encoder
from common.optimizers import make_optimizer
from common.training import Batches, set_precision

sys.path.insert(0, str(ROOT / "relation_extraction"))

from dataset import BATCHES, Labels, to_example, to_features
from model import LOSSES, build_model
from schema import read_records, read_schema
from settings import Config


def main() -> None:
    args = parse_arguments()
    data = duie_or_demo()
    files = [f"train_file={data.train}", f"dev_file={data.train}", f"schema_file={data.schema}"]
    config = load_config(Config, "small.json", ROOT / "relation_extraction", [*files, *args.set])
    source = resolve_encoder(config.encoder)
    labels = Labels(read_schema(config.schema_file))
    examples = [to_example(record, Counter()) for record in read_records(config.train_file)]
    window = config.max_length, config.stride
    features = list(to_features(examples, source.tokenizer, labels, *window, Counter()))
    lengths = [len(feature.token_ids) for feature in features]
    order = bucketed_batches(lengths, config.batch_size, config.seed, epoch=0)

    precision = set_precision(config.precision)

    def fit(head: str):
        encoder = build_encoder(source.architecture, config.seed, config.dropout)
        model = build_model(head, encoder, labels, config.seed)
        model.compile(make_optimizer(config.optimizer, config.learning_rate, len(order)), LOSSES[head])
        collate = partial(BATCHES[head], labels=labels)

        def steps(number: int) -> None:
            part = order[number * args.steps : (number + 1) * args.steps]
            batches = Batches(features, part, collate, config.seed, epoch=0)
            model.fit(batches, shuffle=False, verbose=0)

        return steps

    seconds = in_turns({head: fit(head) for head in BATCHES}, args.rounds)
    rows = []
    for head, totals in seconds.items():
        step = statistics.median(totals) / args.steps
        rows.append(
            {
                "head": head,
                "s/step": step,
                "sentences/s": config.batch_size / step,
                "min/epoch": step * len(order) / 60,
            }
        )
    shuffled = np.array_split(np.random.default_rng(config.seed).permutation(len(lengths)), len(order))
    report(
        "training_step",
        vars(args),
        rows,
        precision=precision,
        batch_size=config.batch_size,
        steps_of_an_epoch=len(order),
        mean_tokens=statistics.mean(lengths),
        share_of_padding=float(padding_waste(order, lengths)),
        share_of_padding_without_buckets=float(padding_waste(shuffled, lengths)),
    )


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps of a head in one round")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override the config"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
