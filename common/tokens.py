"""Reads and checks the tokens of a vocabulary."""

from collections.abc import Sequence
from pathlib import Path

from common.cli import UserError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_tokens(path: str | Path) -> list[str]:
    """Read the tokens of a `vocab.txt`, one on each line. As in bert4keras, what follows white space is ignored.

    Raises UserError if the file is missing, not UTF-8 or empty, or if a line is blank.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: the vocabulary is not UTF-8") from error
    if lines == [""]:
        raise UserError(f"{path}: the vocabulary is empty")
    if "" in lines:
        raise UserError(f"{path}, line {lines.index('') + 1}: blank; expected one token per line")
    return [(line.split() or [line])[0] for line in lines]  # Google's Chinese vocabulary has U+2028 as an entry


def check_tokens(tokens: Sequence[str], path: str | Path) -> None:
    """Raise UserError, with the file `path`, unless each special token is there once, and [PAD] comes first."""
    for token in SPECIAL_TOKENS:
        if token not in tokens:
            raise UserError(f"{path}: the vocabulary lacks {token}")
        if tokens.count(token) > 1:
            raise UserError(f"{path}: the vocabulary has {token} {tokens.count(token)} times, expected once")
    if tokens[0] != "[PAD]":
        raise UserError(
            f"{path}, line {tokens.index('[PAD]') + 1}: [PAD] is expected on line 1, because token 0 is padding here; "
            "exchange these two lines, and these two rows of the weights (docs/encoders.md shows how)"
        )
