import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.config import EncoderSizes
from common.encoder import build_encoder, resolve_encoder
from common.inference import start_engines
from common.loss_model import mean_loss
from common.losses import multilabel_crossentropy
from common.testing.rounding import check_rounded_batch
from common.weights import load_weights, save_weights
from dataset import Features
from decode import to_answers
from model import HEADS


@pytest.fixture(scope="module")
def features():
    """Return two windows of different lengths. The first has an answer of two tokens, the second has none."""

    def window(token_ids, prefix, answers):
        offsets = np.zeros((len(token_ids), 2), np.int32)
        offsets[prefix:-1] = [(i, i + 1) for i in range(len(token_ids) - prefix - 1)]
        segment_ids = (np.arange(len(token_ids)) >= prefix).astype(np.int32)
        return Features(0, np.array(token_ids, np.int32), segment_ids, offsets, np.array(answers, np.int32))

    return [
        window([2, 7, 3, 8, 9, 10, 11, 3], 3, [[4, 5]]),
        window([2, 7, 3, 12, 3], 3, np.zeros((0, 2))),
    ]


@pytest.fixture(scope="module", params=["pair", "softmax"])
def head(request):
    return HEADS[request.param]


@pytest.fixture(scope="module")
def make_encoder():
    source = resolve_encoder(EncoderSizes(hidden_size=16, layers=1, heads=2), 64)
    return lambda: build_encoder(source.architecture, 0)


@pytest.fixture(scope="module")
def model(head, make_encoder):
    return head.build(make_encoder(), seed=0)


@pytest.mark.parametrize("head", ["pair"], indirect=True)
def test_pair_loss_equals_the_dense_form(head, model, features):
    inputs, targets = head.batch(features, np.random.default_rng(0))
    outputs = model(inputs)
    scores, rows, columns = outputs["answers"]
    dense = (scores[:, None] + rows[..., None] + columns[:, :, None]).numpy()
    target = np.zeros_like(dense)
    target[0, 0, 4, 5] = 1
    losses = multilabel_crossentropy(target.reshape(2, 1, -1), dense.reshape(2, 1, -1))
    np.testing.assert_allclose(mean_loss(head.loss(targets, outputs)), losses.numpy().sum(1).mean(), rtol=1e-4)


@pytest.mark.parametrize("head", ["softmax"], indirect=True)
def test_softmax_loss_in_float64(head, model, features):
    inputs, targets = head.batch(features, np.random.default_rng(0))
    outputs = model(inputs)
    logits, losses = outputs["logits"].numpy().astype(np.float64), []
    for row, (choices, span) in enumerate([([0, 3, 4, 5, 6], (4, 5)), ([0, 3], (0, 0))]):
        for end in range(2):
            losses.append(np.log(np.exp(logits[row, choices, end]).sum()) - logits[row, span[end], end])
    np.testing.assert_allclose(mean_loss(head.loss(targets, outputs)), np.mean(losses), rtol=1e-5)


def test_steps_learn_and_the_extractor_finds_what_was_learnt(head, model, features):
    inputs, targets = head.batch(features, np.random.default_rng(0))
    model.compile(keras.optimizers.Adam(1e-2), head.loss)
    losses = [model.train_on_batch(inputs, targets) for _ in range(150)]
    assert losses[-1] < losses[0] / 10
    found = list(head.Extractor(start_engines(head.parts(model)), max_answer_tokens=64, n_best=3)(features))
    assert found[0].spans[0].tolist() == [4, 5]
    assert found[1].spans.tolist() == [[3, 3]]  # the only token of the second context
    assert found[0].scores[0] > max(found[0].scores[1], found[1].scores[0]) + 2
    first, *_ = to_answers("甲乙丙丁", list(zip(features, found, strict=True)), 3)
    assert first.text == "乙丙"


@pytest.mark.parametrize("head", ["softmax"], indirect=True)
def test_a_constant_added_to_the_logits_of_a_window_changes_nothing(head, features):
    """It does not change the loss either. Scores of two windows can only be compared as probabilities."""
    logits = np.random.default_rng(0).normal(size=(2, 8, 2)).astype(np.float32)

    def extracted(logits):
        engines = {"softmax": lambda inputs: {"logits": logits}}
        return list(head.Extractor(engines, max_answer_tokens=64, n_best=3)(features))

    for ours, expected in zip(extracted(logits + [[[0.0]], [[30.0]]]), extracted(logits), strict=True):
        assert ours.spans.tolist() == expected.spans.tolist()
        np.testing.assert_allclose(ours.scores, expected.scores, atol=1e-4)


def test_weights_come_back(head, model, make_encoder, features, tmp_path):
    save_weights(model, tmp_path / "model.weights.h5")
    again = head.build(make_encoder(), seed=1)
    load_weights(again, tmp_path / "model.weights.h5")
    inputs, _ = head.batch(features, np.random.default_rng(0))
    for a, b in zip(tf.nest.flatten(model(inputs)), tf.nest.flatten(again(inputs)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loss_of_a_rounded_batch(head, model, features):
    check_rounded_batch(model, head.loss, features, head.batch)
