"""Builds a WordPiece vocabulary for Chinese from plain text: characters, then pieces of Latin words.

    python data/build_vocab.py --input corpus/*.txt --size 8000 --output data/vocab.txt

In information extraction an answer is a span of tokens, so no token may hide the edge of an answer. This is why
Chinese is cut into characters. A year from 1900 to 2029 is one token if a number begins with it, and all other digits
are tokens of their own: "20082009" is 2008 ##2 ##0 ##0 ##9. No piece of a Latin word holds a digit.
"""

import argparse
import collections
import itertools
import re
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from common.cli import UserError, run_command
from common.files import atomic_write, check_output_path, read_lines
from common.tokenizer import words
from common.tokens import SPECIAL_TOKENS

YEARS = [str(year) for year in range(1900, 2030)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--input", nargs="+", required=True, type=Path, help="text files, UTF-8")
    parser.add_argument("--size", type=int, default=8000, help="number of entries")
    parser.add_argument("--min-count", type=int, default=3, help="rarer characters are left out")
    parser.add_argument("--output", required=True, type=Path, help="vocabulary to write")
    args = parser.parse_args()
    check_output_path(args.output, *args.input)
    counts = count_words(args.input)
    vocabulary = build_vocabulary(counts, args.size, args.min_count)
    with atomic_write(args.output) as file:
        file.writelines(f"{token}\n" for token in vocabulary)


def count_words(paths: Iterable[Path]) -> collections.Counter[str]:
    """Count the words of the files, which are read line by line. Raises UserError as `read_lines` does."""
    counts: collections.Counter[str] = collections.Counter()
    for path in tqdm(list(paths), desc="counting", unit="file"):
        for _, line in read_lines(path):
            counts.update(words(line))
    return counts


def build_vocabulary(word_counts: collections.Counter[str], size: int, min_count: int) -> list[str]:
    """Return the lines of `vocab.txt`: special tokens, characters, years, and Latin pieces up to `size`.

    Args:
        word_counts: how often each word occurs
        size: most entries of the vocabulary
        min_count: how often a character has to occur; those of `basic_characters` are always taken

    Returns:
        The entries. Among the characters, frequent ones come first.

    Raises:
        UserError: if `size` is too small for the special tokens, the characters and the years
    """
    char_counts = collections.Counter(dict.fromkeys(basic_characters(), min_count))
    for word, count in word_counts.items():
        for char in word:
            char_counts[char] += count
    by_rank = sorted(char_counts.items(), key=lambda item: (-item[1], item[0]))
    chars = [char for char, count in by_rank if count >= min_count]
    inner = [f"##{char}" for char in chars if len(words(char * 2)) == 1]  # they can stand inside a word
    vocabulary = [*SPECIAL_TOKENS, *chars, *inner, *YEARS]
    if len(vocabulary) > size:
        raise UserError(f"--size {size}: at least {len(vocabulary)} entries are needed; raise --size or --min-count")
    return vocabulary + latin_pieces(word_counts, size - len(vocabulary))


def basic_characters() -> Iterator[str]:
    """Yield ASCII, then the symbols, full-width ASCII and kana (rows 1, 3-5) and level 1 (rows 16-55) of GB2312."""
    yield from words(" ".join(string.punctuation + string.digits + string.ascii_lowercase))
    for row in (1, 3, 4, 5, *range(16, 56)):
        row_bytes = bytes(itertools.chain.from_iterable((0xA0 + row, 0xA0 + cell) for cell in range(1, 95)))
        yield from words(" ".join(row_bytes.decode("gb2312", "ignore")))


def latin_pieces(word_counts: collections.Counter[str], number: int) -> list[str]:
    """Return the pieces of the first `number` merges of byte-pair encoding over the Latin words.

    Ties are broken in alphabetical order. Hugging Face's trainer breaks them differently from run to run.
    """
    latin_counts: collections.Counter[str] = collections.Counter()
    for word, count in word_counts.items():
        for latin in re.findall("[a-z]+", word):
            latin_counts[latin] += count
    splits = {word: [word[0], *(f"##{letter}" for letter in word[1:])] for word in latin_counts}
    pair_counts: collections.Counter[tuple[str, str]] = collections.Counter()
    pair_words: dict[tuple[str, str], set[str]] = collections.defaultdict(set)

    def count_pairs(word: str, sign: int) -> None:
        for pair in itertools.pairwise(splits[word]):
            pair_counts[pair] += sign * latin_counts[word]
            pair_words[pair].add(word)

    for word in splits:
        count_pairs(word, +1)
    pieces: dict[str, None] = {}  # an ordered set, because two pairs may give the same piece
    while len(pieces) < number and any(pair_counts.values()):
        most = max(pair_counts.values())
        pair = min(pair for pair, count in pair_counts.items() if count == most)
        pieces[_joined(pair)] = None
        for word in pair_words.pop(pair):
            count_pairs(word, -1)
            splits[word] = _merge(splits[word], pair)
            count_pairs(word, +1)
    return list(pieces)


def _joined(pair: tuple[str, str]) -> str:
    return pair[0] + pair[1].removeprefix("##")


def _merge(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Join each occurrence of the pair into one piece, from left to right."""
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] = _joined(pair)
        else:
            merged.append(piece)
    return merged


if __name__ == "__main__":
    run_command(main)
