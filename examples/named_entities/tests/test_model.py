import numpy as np
import pytest
import tf_keras as keras

import pair
from common.config import EncoderSizes
from common.encoder import build_encoder, resolve_encoder
from common.inference import start_engines
from common.loss_model import mean_loss
from common.losses import multilabel_crossentropy
from common.testing.rounding import check_rounded_batch
from dataset import Features


@pytest.fixture(scope="module")
def features():
    """Return two windows of different lengths: one with an entity inside another, and an empty text."""
    spans = np.array([[1, 1, 4], [2, 1, 2], [2, 6, 6]], np.int32)
    offsets = np.zeros((8, 2), np.int32)
    return [
        Features(0, np.array([2, 7, 8, 9, 10, 11, 12, 3], np.int32), offsets, spans),
        Features(1, np.array([2, 3], np.int32), offsets[:2], spans[:0]),
    ]


@pytest.fixture(scope="module")
def model(labels):
    source = resolve_encoder(EncoderSizes(hidden_size=16, layers=1, heads=2), 64)
    return pair.build(build_encoder(source.architecture, 0), labels, seed=0)


def test_loss_equals_the_dense_form(model, features, labels):
    inputs, positives = pair.batch(features, np.random.default_rng(0), labels)
    outputs = model(inputs)
    scores, rows, columns = outputs["spans"]
    dense = (scores[:, None] + rows[..., None] + columns[:, :, None]).numpy()
    target = np.zeros_like(dense)
    label, first, last = features[0].spans.T
    target[0, label, first, last] = 1
    flat = (*dense.shape[:2], -1)
    expected = multilabel_crossentropy(target.reshape(flat), dense.reshape(flat)).numpy().sum(1).mean()
    np.testing.assert_allclose(mean_loss(pair.loss(positives, outputs)), expected, rtol=1e-4)


def test_steps_learn_and_the_extractor_finds_what_was_learnt(model, features, labels):
    inputs, targets = pair.batch(features, np.random.default_rng(0), labels)
    model.compile(keras.optimizers.Adam(1e-2), pair.loss)
    losses = [model.train_on_batch(inputs, targets) for _ in range(150)]
    assert losses[-1] < losses[0] / 10
    found = list(pair.Extractor(start_engines(pair.parts(model)), labels)(features))
    assert [spans.tolist() for spans in found] == [features[0].spans.tolist(), []]


def test_the_loss_of_a_rounded_batch(model, features, labels):
    check_rounded_batch(model, pair.loss, features, lambda items, rng: pair.batch(items, rng, labels))
