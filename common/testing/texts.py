"""Texts of any kind for property-based tests, and settings that give the same examples every time. Needs hypothesis."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from common.tokenizer import words

settings.register_profile(
    "tests", deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck)
)
settings.load_profile("tests")

# Lower-casing or normalising makes some of these longer or shorter. Others have no width, no glyph or no UTF-8 form, or
# lie beyond U+FFFF.
STRANGE = "İßﬁŉΐ한ｶﾞé👍🏽𠀀①㍿1a何川，。" + (
    "\u0301\u200b\u200d\ufe0f\u202e\xad\ufeff\ufffd\x00\x1f\x85\xa0\u2028\u3000\ud800\udc00"
)
TEXT = st.text(st.one_of(st.sampled_from(STRANGE), st.characters(exclude_categories=())), max_size=30)
CHINESE = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往"
# The characters that become tokens.
INKED = [character for character in dict.fromkeys(STRANGE + CHINESE) if words(character)]


@st.composite
def parts(draw: st.DrawFn, least: int = 2, most: int = 6) -> list[str]:
    """Draw strings that share no character, and whose ends are also ends of tokens when commas separate them."""
    characters = draw(st.permutations([character for character in INKED if character not in "，é"]))
    sizes = draw(st.lists(st.integers(1, 3), min_size=least, max_size=most))
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return ["".join(characters[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
