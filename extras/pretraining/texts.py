"""Write the texts of official task files, one per line, for continued pretraining.

    python extras/pretraining/texts.py --input data/duee/train.json ... --output duee.txt

An input has JSON lines with `text` (DuIE, DuEE) or one JSON object with `context` (DuReader-robust, CMRC 2018). Line
breaks become spaces. A text that comes several times is written once.
"""

import argparse
from collections.abc import Iterator
from itertools import chain
from typing import Any

from common.cli import UserError, run_command
from common.files import atomic_write, check_output_path, read_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, nargs="+", metavar="FILE", help="official files, labelled or not")
    parser.add_argument("--output", required=True, metavar="FILE", help="- is standard output")
    args = parser.parse_args()
    check_output_path(args.output, *args.input)
    texts = dict.fromkeys(chain.from_iterable(map(read_texts, args.input)))
    with atomic_write(args.output) as file:
        file.writelines(f"{text}\n" for text in texts)


def read_texts(path: str) -> Iterator[str]:
    """Yield the texts of a file. Raise UserError if it is not JSON or has no text."""
    texts = [" ".join(text.split()) for text in _texts_in(read_values(path))]
    if not any(texts):
        raise UserError(f'{path}: no "text" and no "context"')
    yield from filter(None, texts)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from chain.from_iterable(map(_texts_in, value))
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("text", "context") and isinstance(item, str):
                yield item
            elif key not in ("qas", "answers"):  # the "text" of an answer is not wanted
                yield from _texts_in(item)


if __name__ == "__main__":
    run_command(main)
