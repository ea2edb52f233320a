"""Measures seconds per training step of a task's `small.json` with each head, and the share of padding.

python benchmarks/training_step.py [--task relation_extraction|event_extraction|reading_comprehension]

The heads train on the same batches of one epoch, a few steps at a time, in turns. The share of padding is that of a
whole epoch. The data is the official train file if it is there (CMRC 2018 instead of DuReader-robust's), else that of
the demo set.
"""

import argparse
import statistics
import sys
from collections import Counter
from typing import Any

import numpy as np
from tools.harness import OFFICIAL, ROOT, SCHEMAS, Case, in_turns, make_parser, official_or_demo, report

from common.batching import Batches, bucketed_batches
from common.cli import run_command
from common.config import load_config
from common.devices import devices
from common.encoder import build_encoder, resolve_encoder, set_precision
from common.encoder_source import EncoderSource
from common.files import read_jsonl
from common.optimizers import make_optimizer


def main() -> None:
    args = parse_arguments()
    sys.path.insert(0, str(ROOT / args.task))
    from config import Config
    from model import HEADS

    config = load_config(Config, "small.json", ROOT / args.task, [*data_of(args.task), *args.set])
    source = resolve_encoder(config.encoder)
    features, labels = prepare(args.task, config, source)
    lengths = [len(feature.token_ids) for feature in features]
    order = bucketed_batches(lengths, config.batch_size, config.seed, epoch=0)
    precision = set_precision(config.precision)

    def fit(name: str) -> Case:
        head = HEADS[name]
        with devices():
            encoder = build_encoder(source.architecture, config.seed, config.dropout)
            model = head.build(encoder, *labels, config.seed)
            model.compile(make_optimizer(config.optimizer, config.learning_rate, len(order)), head.loss)

        def steps(number: int) -> None:
            part = order[number * args.steps : (number + 1) * args.steps]
            model.fit(Batches(features, part, lambda items, rng: head.batch(items, rng, *labels), (config.seed, 0)))

        return steps

    seconds = in_turns({name: fit(name) for name in HEADS}, args.rounds)
    rows: list[dict[str, Any]] = []
    for name, totals in seconds.items():
        step = statistics.median(totals) / args.steps
        rows.append(
            {
                "head": name,
                "s/step": step,
                "windows/s": config.batch_size / step,
                "min/epoch": step * len(order) / 60,
            }
        )
    shuffled = np.array_split(np.random.default_rng(config.seed).permutation(len(lengths)), len(order))
    report(
        f"training_step_{args.task}",
        vars(args),
        rows,
        precision=precision,
        batch_size=config.batch_size,
        steps_of_an_epoch=len(order),
        mean_tokens=statistics.mean(lengths),
        share_of_padding=share_of_padding(order, lengths),
        share_of_padding_without_buckets=share_of_padding(shuffled, lengths),
    )


def data_of(task: str) -> list[str]:
    """Return the keys of the config that name the files to train on, as KEY=VALUE."""
    train_file = official_or_demo(task, "train.json")
    files = [f"train_file={train_file}", f"dev_file={train_file}"]
    if task in SCHEMAS:
        files.append(f"schema_file={train_file.with_name(SCHEMAS[task])}")
    return files


def share_of_padding(batches: list[np.ndarray], lengths: list[int]) -> float:
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths) / padded


def prepare(task: str, config: Any, source: EncoderSource) -> tuple[list[Any], list[Any]]:
    """Read the train file of a task.

    Args:
        task: folder of the task
        config: the task's own kind of config
        source: the encoder, for its tokenizer

    Returns:
        The features, and what the task's heads take as labels: one object, or none.
    """
    counts: Counter[str] = Counter()
    if task == "reading_comprehension":
        from dataset import to_features
        from records import read_questions

        return list(to_features(read_questions(config.train_file), source.tokenizer, config, counts)), []
    from dataset import to_example, to_features
    from records import Labels

    if task == "relation_extraction":
        from schema import read_schema
    else:
        from records import read_schema
    labels = Labels(read_schema(config.schema_file))
    more = [counts] if task == "relation_extraction" else []
    examples = [to_example(record, *more) for _, record in read_jsonl(config.train_file)]
    features = to_features(examples, source.tokenizer, labels, config.max_length, config.stride, counts)
    return list(features), [labels]


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--task", choices=OFFICIAL, default="relation_extraction", help="default: relation_extraction")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps of each head in a round")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override the config"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
