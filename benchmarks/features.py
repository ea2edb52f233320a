"""Measures examples per second from the official lines to features, and where the time goes.

python benchmarks/features.py

In the first round everything is new to the process, so the caches of characters and words are cold. For the other
rounds the table has the median. The data is DuIE 2.0 train if it is there, else that of the demo set.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.harness import ROOT, duie_or_demo, make_parser, report

from common.cli import run_command
from common.tokenizer import Encoding, Tokenizer

sys.path.insert(0, str(ROOT / "relation_extraction"))

from dataset import to_example, to_features
from records import Labels, read_records
from schema import read_schema

FIRST, LATER = "first us/example", "later us/example"


def main() -> None:
    args = make_parser(__doc__).parse_args()
    data = duie_or_demo()
    labels = Labels(read_schema(data.schema))
    rounds = []
    for _ in range(1 + args.rounds):
        tokenizer = TimedTokenizer.from_vocab(ROOT / "data/vocab.txt")  # its cache of words is new
        examples, seconds = one_reading(data.train, tokenizer, labels)
        rounds.append(seconds)
    first, *others = rounds
    rows: list[dict[str, Any]] = []
    for stage in first:
        later = statistics.median(seconds[stage] for seconds in others)
        rows.append({"stage": stage, FIRST: 1e6 * first[stage] / examples, LATER: 1e6 * later / examples})
    total = {column: sum(row[column] for row in rows) for column in (FIRST, LATER)}
    rows.append({"stage": "all", **total})
    report(
        "features",
        vars(args),
        rows,
        examples=examples,
        examples_per_second_on_first_reading=1e6 / total[FIRST],
        examples_per_second=1e6 / total[LATER],
    )


def one_reading(path: Path, tokenizer: "TimedTokenizer", labels: Labels) -> tuple[int, dict[str, float]]:
    """Read a file once, and return the number of examples and the seconds of each stage.

    `to_features` calls the tokenizer, whose time is a stage of its own.
    """
    start = time.perf_counter()
    records = list(read_records(path, schema=labels.schema))
    read = time.perf_counter()
    examples = [to_example(record, Counter()) for record in records]
    located = time.perf_counter()
    list(to_features(examples, tokenizer, labels, 256, 128, Counter()))
    end = time.perf_counter()
    return len(records), {
        "read: JSON, checks": read - start,
        "locate: strings to spans": located - read,
        "tokenise": tokenizer.seconds,
        "features: spans to tokens": end - located - tokenizer.seconds,
    }


class TimedTokenizer(Tokenizer):
    """A tokenizer that measures its time."""

    seconds = 0.0

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        start = time.perf_counter()
        encodings = super().encode_batch(texts)
        self.seconds += time.perf_counter() - start
        return encodings


if __name__ == "__main__":
    run_command(main)
