"""Properties that hold for any text, scores and treebank: no character is lost, and trees are trees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.testing.texts import TEXT
from joining import join
from scoring import count_attachment, count_brackets, count_words, f1
from sentences import Tree, cut_long, is_tree, read_treebank, to_sentence, tokens
from trees import bracketed, random_tree, tree_of


@given(TEXT, st.integers(0, 2**32), st.floats(-1, 1))
def test_words_have_every_character_of_a_line(text, seed, threshold):
    sentence = to_sentence(text.split(), tokens)
    scores = np.random.default_rng(seed).normal(size=max(len(sentence.spans) - 1, 0))
    words = join(sentence, scores, threshold)
    assert "".join(words) == "".join(text.split()) == sentence.text
    assert all(words)
    assert f1(*count_words(words, words))["f1"] == (1 if words else 0)


@given(TEXT, st.integers(1, 30), st.integers(0, 1))
def test_pieces_have_every_span(tokenizer, text, times, overlap):
    sentence = to_sentence((text * times).split(), tokens)
    at = 0
    for first, piece in cut_long(sentence, tokenizer, overlap):
        assert first == max(at - overlap, 0)
        assert piece.bounds[0] == 1
        assert piece.bounds[-1] == len(piece.token_ids) - 1
        assert (np.diff(piece.bounds) > 0).all()
        at = first + len(piece.bounds) - 1
    assert at == len(sentence.spans)


@given(st.integers(1, 12), st.integers(0, 2**32), st.data())
def test_trees_of_any_relatedness(n, seed, data):
    matrix = np.random.default_rng(seed).exponential(size=(n, n)).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    parts = [0, *sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=2)))] if n > 1 else [0]
    brackets, heads = tree_of(matrix, parts)
    assert is_tree(heads)
    edges = [sorted(edge) for edge in enumerate(heads, 1)]
    assert not any(a < c < b < d for a, b in edges for c, d in edges)  # projective
    for i, (a, b) in enumerate(brackets):
        assert 0 <= a < b - 1 < n
        assert all(b <= c or d <= a or (a <= c and d <= b) for c, d in brackets[i + 1 :])  # apart, or inside this one
    written = bracketed([str(i) for i in range(n)], brackets)
    assert written.count("(") == written.count(")") == len(brackets)
    marks = [False] * n
    right, words, right_edges, all_edges = count_attachment(heads, heads, marks)
    assert (right, right_edges) == (words, all_edges) == (n, n - 1)
    right, _, gold = count_brackets(([(0, n)], heads), heads, marks)
    assert right == 0
    assert gold <= n


@pytest.fixture(scope="module")
def treebank(tmp_path_factory):
    return tmp_path_factory.mktemp("properties") / "gold.conllu"


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n"), max_size=3)


@given(st.lists(st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=5), min_size=1, max_size=4),
       st.integers(0, 2**32))  # fmt: skip
def test_a_treebank_is_read_as_it_was_written(treebank, sentences, seed):
    rng, lines, trees = np.random.default_rng(seed), [], []
    for sentence in sentences:
        words, marks = map(list, zip(*sentence, strict=True))
        heads = random_tree(len(words), rng)[1]
        lines += ["# a sentence", "1-2" + "\t_" * 9]
        trees.append(Tree(len(lines) + 1, words, heads, marks))
        for i, (word, mark) in enumerate(sentence):
            lines.append(f"{i + 1}\t{word}\t_\t{'PUNCT' if mark else 'X'}\t_\t_\t{heads[i]}\t_\t_\t_")
        lines += [""] * int(rng.integers(1, 3))
    treebank.write_text("\n".join(lines[:-1]), encoding="utf-8", newline="")
    assert list(read_treebank(str(treebank))) == trees
