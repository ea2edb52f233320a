from itertools import permutations

import numpy as np
import pytest
import tensorflow as tf

import perturb
from common.encoder import build_encoder, load_pretrained, resolve_encoder
from joining import contrast, score_neighbours
from model import load_engine, states
from parse import parse
from sentences import Sentence, to_sentence, tokens

SENTENCES = [
    Sentence(["小明", "喜欢", "TensorFlow", "和", "北京大学"]),
    Sentence([]),
    Sentence(["好"]),
    to_sentence(["2009年5月，好！"], tokens),
    Sentence(["天", "地"]),
]


@pytest.fixture(scope="module")
def source(encoder):
    return resolve_encoder(str(encoder))


@pytest.fixture(scope="module", params=["tensorflow", "openvino"])
def engine(request, source):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.inference.cpu_has_bfloat16", lambda: False)
        return load_engine(source, request.param)


@pytest.fixture(scope="module")
def plain(source):
    """Compute f(i, j) of all spans of the sentences directly from the formula, one copy at a time."""
    model = build_encoder(source.architecture, seed=0)
    load_pretrained(model, source)
    tokenizer, forward = source.tokenizer, tf.function(states(model), reduce_retracing=True)

    def vector(ids, of, *masked):
        """Return the mean of a span's hidden states when some spans are masked."""
        row, place = [tokenizer.cls_id], None
        for i, span in enumerate(ids):
            if i == of:
                place = slice(len(row), len(row) + len(span))
            row += [tokenizer.mask_id] * len(span) if i in masked else list(span)
        token_ids = tf.constant([[*row, tokenizer.sep_id]], tf.int32)
        return forward([token_ids, tf.zeros_like(token_ids)]).numpy()[0, place].mean(0)

    def matrix(spans):
        ids = [encoding.ids for encoding in tokenizer.encode_batch(spans)]
        alone = [vector(ids, i, i) for i in range(len(ids))]
        found = np.zeros((len(ids), len(ids)))
        for i, j in permutations(range(len(ids)), 2):
            found[i, j] = np.linalg.norm(alone[i] - vector(ids, i, i, j))
        return found

    return [matrix(sentence.spans) for sentence in SENTENCES]


@pytest.mark.parametrize("copies", [1, 4096])
def test_the_matrix_is_that_of_one_sentence_at_a_time(engine, source, plain, copies, monkeypatch):
    monkeypatch.setattr(perturb, "COPIES", copies)
    parses = list(parse(SENTENCES, source.tokenizer, engine))
    assert [parsed.words for parsed in parses] == [sentence.spans for sentence in SENTENCES]
    for parsed, expected in zip(parses, plain, strict=True):
        np.testing.assert_allclose(parsed.matrix, expected, rtol=0, atol=1e-4)
    assert plain[0].max() > 0.1


def test_neighbours_have_the_contrast_of_the_mean_of_both_ways(engine, source, plain):
    for (sentence, scores), matrix in zip(score_neighbours(SENTENCES, source.tokenizer, engine), plain, strict=True):
        assert len(scores) == max(len(sentence.spans) - 1, 0)
        expected = contrast((np.diag(matrix, 1) + np.diag(matrix, -1)) / 2)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)


def test_masked_copies():
    piece = perturb.Piece(np.array([2, 5, 6, 7, 8, 3], np.int32), np.array([1, 3, 4, 5], np.int32))
    short = perturb.Piece(np.array([2, 9, 3], np.int32), np.array([1, 2], np.int32))
    inputs = perturb.masked([(piece, 0, 2), (piece, 1, 1), (short, 0, 0)], mask_id=4)
    assert inputs["token_ids"].tolist() == [[2, 4, 4, 7, 4, 3], [2, 5, 6, 4, 8, 3], [2, 4, 3, 0, 0, 0]]
    assert inputs["spans"].tolist() == [[[1, 3], [4, 5]], [[3, 4], [3, 4]], [[1, 2], [1, 2]]]


def test_pairs():
    assert perturb.neighbours(3).tolist() == [[0, 1], [1, 2]]
    assert perturb.all_pairs(3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert len(perturb.neighbours(1)) == len(perturb.neighbours(0)) == len(perturb.all_pairs(1)) == 0
