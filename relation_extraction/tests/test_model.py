import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.encoder import build_encoder
from common.inference import start_engines
from common.loss_model import mean_loss
from common.losses import multilabel_crossentropy
from common.testing.rounding import check_rounded_batch
from common.testing.runs import ARCHITECTURE
from common.weights import load_weights, save_weights
from dataset import Features
from model import HEADS
from pointer import object_relations, pointer_spans

ENCODER = ARCHITECTURE | {"vocab_size": 50}


@pytest.fixture(scope="module", params=["pair", "pointer"])
def head(request):
    return HEADS[request.param]


@pytest.fixture(scope="module")
def model(head, labels):
    return head.build(build_encoder(ENCODER, seed=1), labels, seed=1)


@pytest.fixture(scope="module")
def features(labels):
    """Return two windows of different length: one with two roles of one subject, and one of an empty text."""
    role, work = labels.relation_id["饰演", "@value"], labels.relation_id["饰演", "inWork"]
    tie = labels.tie_id["饰演", "inWork"]
    relations = [(role, 1, 2, 4, 4), (work, 1, 2, 6, 7), (tie, 4, 4, 6, 7), (role, 1, 2, 8, 8)]
    token_ids = np.array([2, *range(10, 19), 3], np.int32)
    offsets = np.zeros((11, 2), np.int32)
    return [
        Features(0, token_ids, offsets, np.array(relations, np.int32)),
        Features(1, np.array([2, 3], np.int32), offsets[:2], np.zeros((0, 5), np.int32)),
    ]


@pytest.fixture(scope="module")
def batch(head, features, labels):
    return head.batch(features, np.random.default_rng(0), labels)


@pytest.mark.parametrize("head", ["pair"], indirect=True)
def test_pair_loss_equals_the_dense_form(head, model, batch):
    inputs, positives = batch
    outputs = model(inputs)
    expected = []
    for name, (scores, row_bias, column_bias) in outputs.items():
        dense = scores[:, None] + row_bias[..., None] + column_bias[:, :, None]
        truth = np.zeros(dense.shape, np.float32)
        for example, rows in enumerate(positives[name]):
            label, i, j = rows[rows[:, 0] >= 0].T
            truth[example, label, i, j] = 1
        losses = multilabel_crossentropy(truth.reshape(*truth.shape[:2], -1), tf.reshape(dense, [*truth.shape[:2], -1]))
        expected.append(np.mean(np.sum(losses, -1)))
    np.testing.assert_allclose(mean_loss(head.loss(positives, outputs)), np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize("head", ["pointer"], indirect=True)
def test_pointer_loss_raises_the_sigmoids_to_their_powers(head, model, batch):
    inputs, targets = batch
    outputs = {name: value.numpy() for name, value in model(inputs).items()}
    expected = 0.0
    for name, power in [("subjects", 2), ("objects", 4)]:
        p = 1 / (1 + np.exp(-outputs[name].astype(np.float64)))
        p = p**power
        losses = -np.where(targets[name] > 0, np.log(p), np.log(1 - p))
        expected += (losses.sum(-1) / 2)[outputs["mask"]].mean()
    np.testing.assert_allclose(mean_loss(head.loss(targets, outputs)), expected, rtol=1e-5)


@pytest.mark.parametrize("head", ["pointer"], indirect=True)
def test_pointer_extractor_equals_one_example_at_a_time(head, model, features, labels):
    """Here the whole model predicts one subject at a time, with the same powers and thresholds."""
    extractor = head.Extractor(start_engines(head.parts(model)), labels)
    extractor.thresholds = {"subjects": 0.05, "objects": 0.02}
    for feature, found in zip(features, extractor(features), strict=True):
        token_ids = feature.token_ids[None]
        outputs = model({"token_ids": token_ids, "subject": np.zeros((1, 2), np.int32)})
        expected = [np.zeros((0, 5), np.int32)]
        for subject in pointer_spans(tf.sigmoid(outputs["subjects"])[0].numpy() ** 2, 0.05):
            outputs = model({"token_ids": token_ids, "subject": subject[None].astype(np.int32)})
            probabilities = tf.sigmoid(outputs["objects"])[0].numpy() ** 4
            expected.append(object_relations(subject, probabilities, 0.02))
        assert found.tolist() == np.concatenate(expected).tolist()


def test_a_training_step_lowers_the_loss(head, model, batch):
    model.compile(keras.optimizers.SGD(0.01), head.loss, run_eagerly=True)
    inputs, targets = batch
    before = float(mean_loss(head.loss(targets, model(inputs))))
    model.train_on_batch(inputs, targets)
    assert float(mean_loss(head.loss(targets, model(inputs)))) < before


def test_saved_weights_load_into_a_fresh_model(head, model, batch, labels, tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(model, path)
    fresh = head.build(build_encoder(ENCODER, seed=2), labels, seed=2)
    expected = tf.nest.flatten(model(batch[0]))
    assert any(np.any(a != b) for a, b in zip(tf.nest.flatten(fresh(batch[0])), expected, strict=True))
    load_weights(fresh, path)
    for ours, theirs in zip(tf.nest.flatten(fresh(batch[0])), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_model_are_refused(head, model, labels, tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(model, path)
    other = head.build(build_encoder(ENCODER | {"hidden_size": 8}, seed=1), labels, seed=1)
    with pytest.raises(UserError, match=r"model\.weights\.h5: not the weights of this model"):
        load_weights(other, path)


def test_the_loss_of_a_rounded_batch(head, model, features, labels):
    check_rounded_batch(model, head.loss, features, lambda items, rng: head.batch(items, rng, labels))
