"""Properties of reading, pairing, drawing and filtering that hold for any questions and any probabilities."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.testing.texts import TEXT
from dataset import read_groups, split, to_features, tokenize
from generation import continuations, draw
from similar import bare, different_from

# White space separates columns and lines, and a lone surrogate cannot be written as UTF-8, so the texts have neither.
QUESTIONS = TEXT.map(lambda text: " ".join(text.encode(errors="ignore").decode().split()))
GROUPS = st.lists(st.lists(QUESTIONS.filter(bool), min_size=2, max_size=5, unique=True), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("properties")


def read(path, lines):
    path.write_text("\n".join(lines), encoding="utf-8-sig", newline="")
    return read_groups(path, Counter())


@given(GROUPS)
def test_groups_are_read_as_they_were_written(folder, groups):
    lines = [json.dumps({"text": first, "synonyms": others}, ensure_ascii=False) for first, *others in groups]
    found = read(folder / "groups.jsonl", lines)
    assert [list(group.questions) for group in found] == groups
    pairs = [pair[:2] for pair in groups]
    assert [list(group.questions) for group in read(folder / "pairs.tsv", map("\t".join, pairs))] == pairs
    for one in found:
        for other in found:
            assert one.family == other.family or not set(one.questions) & set(other.questions)
    sides = split(found)
    assert sorted(group.questions for side in sides for group in side) == sorted(group.questions for group in found)


@given(GROUPS, st.integers(0, 2**32))
def test_every_question_with_a_token_is_in_a_pair_of_an_epoch(folder, tokenizer, groups, seed):
    found = read(folder / "groups.jsonl", [json.dumps({"text": first, "synonyms": rest}) for first, *rest in groups])
    tokens = tokenize((question for group in found for question in group.questions), tokenizer, 9, Counter())
    for group in found:
        expected = Counter(tokens[question].tobytes() for question in group.questions if len(tokens[question]))
        features = to_features([group], tokens, np.random.default_rng(seed))
        assert all(len(one.first) and len(one.second) and one.family == group.family for one in features)
        seen = Counter(ids.tobytes() for one in features for ids in (one.first, one.second))
        if expected.total() > 1:
            assert seen.keys() == expected.keys()
            assert seen.total() == expected.total() + expected.total() % 2
        else:
            assert not features


@given(TEXT, st.lists(TEXT, max_size=6), st.randoms(use_true_random=False))
def test_what_differs_is_neither_the_question_nor_there_twice(question, texts, random):
    texts += [text + "？" for text in texts] + [question, question.upper()]
    random.shuffle(texts)
    found = different_from(question, texts)
    keys = list(map(bare, found))
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(map(bare, texts)) - {bare(question), ""}
    places = list(map(texts.index, found))
    assert places == sorted(places)


@given(st.integers(1, 12), st.integers(0, 2**32), st.floats(0.01, 1), st.floats(0, 1, exclude_max=True))
def test_a_token_is_drawn_from_the_likeliest_by_its_probability(entries, seed, top_p, number):
    """Compare with a loop in float64 over the tokens, likeliest first, unless rounding decides."""
    probabilities = np.random.default_rng(seed).dirichlet(np.full(entries, 0.5))
    total = 0.0
    nucleus: list[int] = []
    for token in np.argsort(-probabilities):
        if nucleus and total >= top_p:
            break
        nucleus.append(token)
        total += probabilities[token]
    chosen = draw(probabilities.astype(np.float32)[None], top_p, np.array([number]))
    assert chosen.dtype == np.int32
    assert chosen[0] in nucleus
    ends = np.cumsum([probabilities[token] for token in sorted(nucleus)]) / total
    if np.abs(ends - number).min() > 1e-6:
        assert chosen[0] == sorted(nucleus)[np.searchsorted(ends, number, "right")]


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32), st.data())
def test_continuations_are_the_best_of_all(questions, beams, seed, data):
    totals = np.random.default_rng(seed).normal(size=(questions, beams, 7))
    count = data.draw(st.integers(1, 7 * beams - 1))
    parents, tokens, values = continuations(totals, count)
    for row in range(questions):
        np.testing.assert_array_equal(values[row], np.sort(totals[row].ravel())[::-1][:count])
        np.testing.assert_array_equal(totals[row, parents[row], tokens[row]], values[row])
        assert len(set(zip(parents[row], tokens[row], strict=True))) == count
