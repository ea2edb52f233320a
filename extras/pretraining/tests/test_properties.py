"""Properties that hold for any text: what a passage is, what windows hold and what is masked."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cli import UserError
from common.testing.texts import TEXT
from dataset import Text, Windows, masked_batch, to_corpus
from texts import read_texts


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("properties") / "text.txt"


@given(st.lists(TEXT, max_size=4), st.integers(3, 12), st.data())
def test_every_token_is_in_a_window_and_no_end_is_masked(file, tokenizer, lines, max_length, data):
    file.write_text("何\n" + "\n".join(lines), encoding="utf-8", errors="replace")
    corpus = to_corpus(Text([file]), tokenizer)
    windows = Windows(corpus, tokenizer, max_length, data.draw(st.integers(1, max_length - 2)))
    held = {place for i in range(len(windows)) for place in range(windows.firsts[i], windows.ends[i])}
    assert held == set(range(len(corpus.token_ids)))
    assert all(3 <= len(window.token_ids) <= max_length for window in windows)
    whole_words = data.draw(st.floats(0, 1))
    inputs, tokens = masked_batch(list(windows), np.random.default_rng(0), tokenizer, whole_words, noise=0)
    for window, ids, positions, found in zip(windows, inputs["token_ids"], inputs["positions"], tokens, strict=True):
        positions = positions[found != 0]
        assert len(positions)
        assert set(positions.tolist()) <= set(range(1, len(window.token_ids) - 1))
        np.testing.assert_array_equal(window.token_ids[positions], found[found != 0])
        ids[positions] = found[found != 0]
        np.testing.assert_array_equal(ids[: len(window.token_ids)], window.token_ids)


@given(st.recursive(TEXT | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["text", "context", "qas", "data"]), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_texts_of_any_json(file, value):
    file.write_text(json.dumps(value), encoding="utf-8")
    try:
        found = list(read_texts(str(file)))
    except UserError as error:
        found = [str(error)]
    assert all(text and text == " ".join(text.split()) for text in found)
