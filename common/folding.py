"""Finds strings that a text spells in another way: other case or width, spaces, split accents, invisible characters.

White space and invisible characters are dropped, and the rest is compared as Unicode's compatibility caseless matching
does: "Ｂｅｙｏｎｃｅ" with an accent of its own is "beyoncé", "ｶﾞﾝﾀﾞﾑ" is "ガンダム", and "½" is "1⁄2".
"""

import functools
import unicodedata

from common.spans import Span, find

# They change how the character before them looks, or nothing at all.
VARIATION_SELECTORS = {"\u034f", *map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))}


def find_folded(text: str, string: str) -> list[Span]:
    """Find all occurrences of a string, ignoring case, width, white space and invisible characters.

    An occurrence never cuts a character: neither a letter from its accents ("e" is not found in "é", however the two
    are encoded), nor a part from what a character stands for ("1" is not found in "½"). Its span includes the accents
    of its last letter. White space and invisible characters are included within a span, but not at its ends.

    >>> find_folded("歌手 Beyonce\u0301", "BEYONCÉ")
    [(3, 11)]
    """
    folded, starts, ends = _fold(text)
    matches = find(folded, _fold(string)[0])
    return [(starts[first], ends[last]) for first, last in matches if first in starts and last in ends]


def _fold(text: str) -> tuple[str, dict[int, int], dict[int, int]]:
    """Fold a text. Also returns where its letters start and end: places in the folded text -> places in the text.

    A letter here is a character with the marks that follow it, since normalising may change their order.
    """
    letters: list[tuple[int, int, str]] = []
    for i, character in enumerate(text):
        if _is_dropped(character):
            continue
        start, previous = i, ""
        if letters and _continues(character):
            start, _, previous = letters.pop()
        letters.append((start, i + 1, previous + character))
    folded, length = [], 0
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for start, end, letter in letters:
        folded.append(_fold_letter(letter))
        starts.setdefault(length, start)
        length += len(folded[-1])
        ends[length] = end
    return "".join(folded), starts, ends


@functools.cache
def _is_dropped(character: str) -> bool:
    """Tell whether a character is white space or invisible: a control, a zero-width one or a variation selector."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf") or character in VARIATION_SELECTORS


@functools.cache
def _continues(character: str) -> bool:
    """Tell whether a character belongs to the one before it, as an accent, a voicing mark or a part of Hangul does."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first).startswith("M") or "\u1160" <= character <= "\u11ff"


@functools.lru_cache(maxsize=100_000)
def _fold_letter(letter: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    return "".join(character for character in decomposed if not _is_dropped(character))
