"""Tables for a terminal, on which wide characters take two columns."""

import unicodedata
from collections.abc import Sequence

from common.cli import printable


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of cells, the header first. The first column is set flush left, the others flush right."""
    rows = [list(map(printable, row)) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_pad(*cell) for cell in zip(row, widths, range(len(row)), strict=True)) for row in rows)


def display_width(text: str) -> int:
    """Count the columns that a text takes on a terminal. Wide and full-width characters take two.

    >>> display_width("导演ab")
    6
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int, column: int) -> str:
    space = " " * (width - display_width(text))
    return space + text if column else text + space
