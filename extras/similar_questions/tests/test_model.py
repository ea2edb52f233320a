"""What the mask lets each question see, and the losses."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from common.loss_model import mean_loss
from common.sparse_losses import token_crossentropy
from dataset import Group, pair_batch, question_inputs, to_features, tokenize
from model import SCALE, build_model, question_model, similarity_losses


@pytest.fixture(scope="module")
def batch(tokenizer):
    groups = [Group(("怎么开机", "如何开机啊"), 0), Group(("多少钱", "贵不贵"), 1), Group(("多少钱", "怎么卖"), 1)]
    tokens = tokenize((q for group in groups for q in group.questions), tokenizer, 30, Counter())
    return pair_batch(to_features(groups, tokens, np.random.default_rng(0)), None, tokenizer)


def test_vectors_of_the_first_question_do_not_change_with_the_second(batch, run_of, tokenizer):
    encoder, _, config = run_of
    model = build_model(encoder, config.seed)
    inputs = batch[0]
    vectors = model(inputs)["vectors"].numpy()
    second = inputs["segment_ids"] == 1
    others = np.where(second, np.random.default_rng(0).integers(5, 8000, second.shape), inputs["token_ids"])
    changed = model(inputs | {"token_ids": others.astype(np.int32)})["vectors"].numpy()
    np.testing.assert_allclose(changed, vectors, atol=1e-5)
    alone = [row[1:end] for row, end in zip(
        inputs["token_ids"].reshape(-1, second.shape[-1]), second.argmax(-1).ravel() - 1, strict=True)]  # fmt: skip
    vectors_alone = question_model(encoder)(question_inputs(alone, tokenizer)).numpy()
    np.testing.assert_allclose(vectors_alone.reshape(vectors.shape), vectors, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-5)


def test_scores_do_not_look_ahead(batch, run_of):
    encoder, _, config = run_of
    model = build_model(encoder, config.seed)
    inputs = batch[0]
    scores = model(inputs)["scores"].numpy()
    changed = inputs["token_ids"].copy()
    ends = inputs["positions"].max(-1)
    for row in np.ndindex(changed.shape[:2]):
        changed[row][ends[row]] = 77  # the second question's last token, from which [SEP] is predicted
    difference = np.abs(model(inputs | {"token_ids": changed})["scores"].numpy() - scores).max(-1)
    for row in np.ndindex(changed.shape[:2]):
        last = inputs["positions"][row].argmax()
        assert difference[row][:last].max(initial=0) < 1e-5
        assert difference[row][last] > 1e-2


def test_similarity_loss_is_that_of_a_loop_in_float64():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(6, 2, 8))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    families = [0, 1, 2, 1, 3, 3]
    losses = similarity_losses(tf.constant(families), tf.constant(vectors, tf.float32)).numpy()
    for pair in range(6):
        expected = []
        for side in (0, 1):
            own = SCALE * vectors @ vectors[pair, side]  # [6, 2]
            others = [own[j, s] for j in range(6) for s in (0, 1) if families[j] != families[pair]]
            expected.append(logsumexp([*others, own[pair, 1 - side]]) - own[pair, 1 - side])
        assert losses[pair] == pytest.approx(np.mean(expected), abs=1e-5)


def test_generation_loss_is_the_mean_over_the_tokens_there_are():
    rng = np.random.default_rng(2)
    scores, tokens = rng.normal(size=(2, 2, 3, 5)), np.array([[[1, 2, 0], [4, 0, 0]], [[3, 3, 3], [1, 0, 0]]])
    expected = [logsumexp(scores[place]) - scores[place][token] for place, token in np.ndenumerate(tokens) if token]
    found = token_crossentropy(tf.constant(tokens, tf.int32), tf.constant(scores, tf.float32))
    assert float(mean_loss(found)) == pytest.approx(np.mean(expected), abs=1e-5)
