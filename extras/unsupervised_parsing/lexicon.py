"""Count the words of a segmented text, to get a word list or the new words of a field.

    python extras/unsupervised_parsing/lexicon.py --input FILE|- [--output FILE|-] [--min-count N] [--new [FILE]]

The input has spaces between words, as segment.py writes it. Each line of the output has a word, a tab and its count.
Frequent words come first. Only words of at least two characters, all of them Chinese, are listed.
"""

import argparse
from collections import Counter
from collections.abc import Callable

from common.cli import UserError, run_command
from common.files import atomic_write, check_output_path, read_lines
from common.tokenizer import CJK_RANGES, load_jieba


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="FILE", help="segmented text; - is standard input")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument("--min-count", type=int, default=5, metavar="N", help="leave out rarer words (default: 5)")
    parser.add_argument(
        "--new", nargs="?", const="jieba", metavar="FILE", help="leave out the words of FILE, or of jieba's dictionary"
    )
    args = parser.parse_args()
    if args.min_count < 1:
        raise UserError(f"--min-count {args.min_count}: expected at least 1")
    check_output_path(args.output, args.input)
    is_known = known_words(args.new)
    counts: Counter[str] = Counter()
    for _, line in read_lines(args.input):
        counts.update(line.split())
    words = [
        (word, count)
        for word, count in counts.items()
        if count >= args.min_count and len(word) > 1 and all(map(is_chinese, word)) and not is_known(word)
    ]
    with atomic_write(args.output) as file:
        file.writelines(f"{word}\t{count}\n" for word, count in sorted(words, key=lambda item: (-item[1], item[0])))


def is_chinese(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in CJK_RANGES)


def known_words(name: str | None) -> Callable[[str], object]:
    """Return a function that tells whether a word is in a list.

    The list is the first column of the file `name`, or the dictionary of "jieba". Without a name no word is in it.
    """
    if name == "jieba":
        jieba = load_jieba()
        jieba.initialize()
        return jieba.get_FREQ  # None, or 0 if it is only the beginning of a word
    if name is None:
        return lambda word: False
    known = {line.split()[0] for _, line in read_lines(name) if line.strip()}
    return lambda word: word in known


if __name__ == "__main__":
    run_command(main)
