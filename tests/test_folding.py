"""Finding strings that a text spells in another way, against all substrings."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.folding import find_folded

ALPHABET = "eEéÉ\u0301\u0323 \u3000\u200b\ufe0f\nｶガカﾞ\u3099゛½1⁄2ＡaßsﬁİI長长河각\u1100\u1161\u11a8"


def is_dropped(character):
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf") or character == "\ufe0f"


def is_mark(character):
    """Tell whether a character belongs to the one before it."""
    decomposed = unicodedata.normalize("NFKD", character)
    return unicodedata.category(decomposed[0])[0] == "M" or "\u1160" <= character <= "\u11ff"


def folded(text):
    kept = "".join(character for character in text if not is_dropped(character))
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", kept).casefold())
    return "".join(character for character in text if not is_dropped(character))


def by_brute_force(text, string):
    """Find all substrings that fold to the same, begin and end with a letter, and cut no letter from its marks."""
    found = []
    for i in range(len(text)):
        for j in range(i + 1, len(text) + 1):
            before = [c for c in text[:i] if not is_dropped(c)]
            after = [c for c in text[j:] if not is_dropped(c)]
            cut = (before and is_mark(text[i])) or (after and is_mark(after[0]))
            if not is_dropped(text[i]) and not is_dropped(text[j - 1]) and not cut and folded(text[i:j]) == string:
                found.append((i, j))
    return found


@given(st.text(ALPHABET, max_size=12), st.text(ALPHABET, min_size=1, max_size=4))
@example("长\u200b河", "长河")
@example("歌手Beyonce\u0301来了", "beyoncé")
@example("ｶﾞﾝﾀﾞﾑ", "ガンダム")
@example("½", "1")
def test_every_occurrence_is_found_with_its_place(text, string):
    if folded(string):
        assert find_folded(text, string) == by_brute_force(text, folded(string))


@pytest.mark.parametrize(
    ("text", "string", "spans"),
    [
        ("机动战士ｶﾞﾝﾀﾞﾑ。", "ガンダム", [(4, 10)]),
        ("歌手 Beyonce\u0301 来", "Beyoncé", [(3, 11)]),
        ("歌手 Beyoncé 来", "BEYONCE\u0301", [(3, 10)]),
        ("《长\u200b河》", "长河", [(1, 4)]),
        ("ＡＢ　Ｃ", "abc", [(0, 4)]),
        ("Beyoncé", "Beyonce", []),
        ("长河", "\u200b", []),
    ],
)
def test_other_spellings(text, string, spans):
    assert find_folded(text, string) == spans
