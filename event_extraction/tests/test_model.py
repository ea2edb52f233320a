import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.config import EncoderSizes
from common.encoder import build_encoder, resolve_encoder
from common.inference import start_engines
from common.loss_model import mean_loss
from common.losses import multilabel_crossentropy, pair_heads_loss
from common.testing.rounding import check_rounded_batch
from common.weights import load_weights, save_weights
from crf import token_tags
from dataset import Features
from model import HEADS


@pytest.fixture(scope="module")
def features():
    """Return two windows of different lengths: one with an event and its two arguments, and one of an empty text."""
    spans = np.array([[3, 3, 3], [4, 1, 2], [5, 4, 5]], np.int32)
    links = np.array([[4, 3, 3, 1, 2], [5, 3, 3, 4, 5]], np.int32)
    offsets = np.zeros((8, 2), np.int32)
    return [
        Features(0, np.array([2, 7, 8, 9, 10, 11, 12, 3], np.int32), offsets, spans, links),
        Features(1, np.array([2, 3], np.int32), offsets[:2], spans[:0], links[:0]),
    ]


@pytest.fixture(scope="module", params=["pair", "crf", "joint"])
def head(request):
    return HEADS[request.param]


@pytest.fixture(scope="module")
def model(head, labels, make_encoder):
    return head.build(make_encoder(), labels, seed=0)


@pytest.fixture(scope="module")
def make_encoder():
    source = resolve_encoder(EncoderSizes(hidden_size=16, layers=1, heads=2), 64)
    return lambda: build_encoder(source.architecture, 0)


@pytest.mark.parametrize("head", ["pair"], indirect=True)
def test_pair_loss_equals_the_dense_form(head, model, features, labels):
    inputs, positives = head.batch(features, np.random.default_rng(0), labels)
    outputs = model(inputs)
    expected = []
    for name, (scores, rows, columns) in outputs.items():
        dense = (scores[:, None] + rows[..., None] + columns[:, :, None]).numpy()
        target = np.zeros_like(dense)
        for row, of_row in enumerate(positives[name]):
            for label, i, j in of_row[of_row[:, 0] >= 0]:
                target[row, label, i, j] = 1
        flat = (*dense.shape[:2], -1)
        losses = multilabel_crossentropy(target.reshape(flat), dense.reshape(flat))
        expected.append(losses.numpy().sum(1).mean())
    np.testing.assert_allclose(mean_loss(head.loss(positives, outputs)), np.mean(expected), rtol=1e-4)


def test_steps_learn_and_the_extractor_finds_what_was_learnt(head, model, features, labels):
    inputs, targets = head.batch(features, np.random.default_rng(0), labels)
    model.compile(keras.optimizers.Adam(1e-2), head.loss)
    losses = [model.train_on_batch(inputs, targets) for _ in range(150)]
    assert losses[-1] < losses[0] / 10
    found = list(head.Extractor(start_engines(head.parts(model)), labels)(features))
    has_links = head is not HEADS["crf"]
    spans = features[0].spans if has_links else features[0].spans[1:]
    assert sorted(found[0][0].tolist()) == spans.tolist()
    assert found[0][1].tolist() == (features[0].links.tolist() if has_links else [])
    assert [len(part) for part in found[1]] == [0, 0]


@pytest.mark.parametrize("head", ["joint"], indirect=True)
def test_the_joint_loss_adds_up_shares(head, model, features, labels):
    inputs, targets = head.batch(features, np.random.default_rng(0), labels)
    outputs = model(inputs)
    alone = {
        name: pair_heads_loss({name: targets[name]}, {name: outputs[name]}) for name in ("spans", "starts", "ends")
    }
    tags = HEADS["crf"].loss(targets, {name: outputs[name] for name in ("emissions", "transitions", "mask")})
    expected = alone["spans"] + (alone["starts"] + alone["ends"]) / 3 + tags
    np.testing.assert_allclose(head.loss(targets, outputs), expected, rtol=1e-5)


@pytest.mark.parametrize("head", ["crf"], indirect=True)
def test_crf_counts_no_padding(head, make_encoder, features, labels):
    model = head.build(make_encoder(), labels, seed=0)  # one that has learnt has a loss near 0, lost in rounding
    inputs, targets = head.batch(features, np.random.default_rng(0), labels)
    assert targets["tags"].tolist() == [token_tags(features[0], labels).tolist(), [0] * 8]
    both = mean_loss(head.loss(targets, model(inputs)))
    batches = [head.batch([feature], None, labels) for feature in features]
    alone = [mean_loss(head.loss(targets, model(inputs))) for inputs, targets in batches]
    np.testing.assert_allclose(both, np.mean(alone), rtol=1e-4)


def test_weights_come_back(head, model, make_encoder, labels, features, tmp_path):
    save_weights(model, tmp_path / "model.weights.h5")
    again = head.build(make_encoder(), labels, seed=1)
    load_weights(again, tmp_path / "model.weights.h5")
    inputs, _ = head.batch(features, np.random.default_rng(0), labels)
    for a, b in zip(tf.nest.flatten(model(inputs)), tf.nest.flatten(again(inputs)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loss_of_a_rounded_batch(head, model, features, labels):
    check_rounded_batch(model, head.loss, features, lambda items, rng: head.batch(items, rng, labels))
