"""Builds a WordPiece vocabulary for Chinese from plain text: characters, then pieces of Latin words.

    python data/build_vocab.py --input corpus/*.txt --size 8000 --output data/vocab.txt

Answers of information extraction are spans of tokens, so no token may hide the edge of an answer. Chinese is cut
into characters. Of numbers only years (1900-2029) are one token, and only where a number begins: behind it digits
go one by one ("20082009" is 2008 ##2 ##0 ##0 ##9). Latin words get pieces as usual, which hold no digit.
"""

import argparse
import collections
import re
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
from tqdm import tqdm

from common.cli import UserError, run
from common.jsonl import atomic_write
from common.tokenizer import SPECIAL_TOKENS, words

YEARS = [str(year) for year in range(1900, 2030)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--input", nargs="+", required=True, type=Path, help="text files, UTF-8")
    parser.add_argument("--size", type=int, default=8000, help="number of entries")
    parser.add_argument("--min-count", type=int, default=3, help="rarer characters are left out")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    counts = count_words(args.input)
    vocabulary = build_vocabulary(counts, args.size, args.min_count)
    with atomic_write(args.output) as file:
        file.writelines(f"{token}\n" for token in vocabulary)


def count_words(paths: Iterable[Path]) -> collections.Counter[str]:
    """How often each word of the files occurs, read line by line."""
    counts: collections.Counter[str] = collections.Counter()
    for path in tqdm(list(paths), desc="counting", unit="file"):
        try:
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    counts.update(words(line))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8") from error
    return counts


def build_vocabulary(word_counts: collections.Counter[str], size: int, min_count: int) -> list[str]:
    """Exactly the tokens of a `vocab.txt`: special ones, characters, years, then Latin pieces up to `size`.

    Characters seen at least `min_count` times are in, and those of `basic_characters`, both by frequency.
    Raises UserError if `size` does not hold them.
    """
    char_counts = collections.Counter(dict.fromkeys(basic_characters(), min_count))
    for word, count in word_counts.items():
        for char in word:
            char_counts[char] += count
    chars = [char for char, count in sorted(char_counts.items(), key=rank) if count >= min_count]
    inner = [f"##{char}" for char in chars if len(words(char * 2)) == 1]  # it can stand inside a word
    vocabulary = [*SPECIAL_TOKENS, *chars, *inner, *YEARS]
    if len(vocabulary) > size:
        raise UserError(f"--size {size}: the characters alone need {len(vocabulary)}; raise it or --min-count")
    return vocabulary + latin_pieces(word_counts, size - len(vocabulary))


def rank(item: tuple[str, int]) -> tuple[int, str]:
    """The more frequent first; equally frequent ones by code point."""
    text, count = item
    return -count, text


def basic_characters() -> Iterator[str]:
    """ASCII, and of GB2312 the symbols, full-width ASCII, kana (rows 1, 3-5) and level 1 (rows 16-55)."""
    yield from words(" ".join(string.punctuation + string.digits + string.ascii_lowercase))
    for row in (1, 3, 4, 5, *range(16, 56)):
        codes = (bytes((0xA0 + row, 0xA0 + cell)) for cell in range(1, 95))
        yield from words(" ".join(code.decode("gb2312", "ignore") for code in codes))


def latin_pieces(word_counts: collections.Counter[str], number: int) -> list[str]:
    """The first `number` pieces, longer than a letter, that WordPiece training merges from the Latin words."""
    latin_counts: collections.Counter[str] = collections.Counter()
    for word, count in word_counts.items():
        for latin in re.findall("[a-z]+", word):
            latin_counts[latin] += count
    model = tokenizers.Tokenizer(tokenizers.models.WordPiece())
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    letters = 2 * len(string.ascii_lowercase)  # "a" and "##a"
    trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=letters + number, show_progress=False)
    model.train_from_iterator((f"{word} " * count for word, count in latin_counts.items()), trainer)
    return sorted((token for token in model.get_vocab() if len(token.removeprefix("##")) > 1), key=model.token_to_id)


if __name__ == "__main__":
    run(main)
