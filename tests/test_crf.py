import itertools

import numpy as np
import pytest
import tensorflow as tf
from bert4keras.layers import ConditionalRandomField
from scipy.special import logsumexp

from common.crf import crf_loss
from common.viterbi import viterbi

LENGTHS = np.array([5, 1, 3])


def random_case(seed, n=4, scale=1.0):
    rng = np.random.default_rng(seed)
    emissions = rng.normal(0, scale, (3, 5, n)).astype(np.float32)
    transitions = rng.normal(0, scale, (n, n)).astype(np.float32)
    labels = rng.integers(0, n, (3, 5))
    return labels, emissions, transitions, np.arange(5) < LENGTHS[:, None]


def path_score(path, emissions, transitions):
    path = np.asarray(path)
    return emissions[np.arange(len(path)), path].sum() + transitions[path[:-1], path[1:]].sum()


def all_paths(emissions, transitions, length):
    """Return every path and its score in float64."""
    emissions, transitions = emissions.astype(np.float64), transitions.astype(np.float64)
    paths = list(itertools.product(range(emissions.shape[1]), repeat=length))
    return paths, np.array([path_score(path, emissions[:length], transitions) for path in paths])


@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_equal_the_sum_over_all_paths(seed, scale):
    labels, emissions, transitions, mask = random_case(seed, scale=scale)
    with tf.GradientTape() as tape:
        inputs = [tf.constant(emissions), tf.constant(transitions)]
        tape.watch(inputs)
        loss = crf_loss(labels, inputs[0], inputs[1], mask)
        weighted = tf.reduce_sum(loss * [1.0, 2.0, 3.0])
    by_emission, by_transition = tape.gradient(weighted, inputs)
    expected, emission_gradient = [], np.zeros_like(emissions, np.float64)
    transition_gradient = np.zeros_like(transitions, np.float64)
    for row, length in enumerate(LENGTHS):
        paths, scores = all_paths(emissions[row], transitions, length)
        gold = tuple(labels[row, :length])
        expected.append(logsumexp(scores) - scores[paths.index(gold)])
        weights = np.exp(scores - logsumexp(scores))
        weights[paths.index(gold)] -= 1
        for path, weight in zip(paths, (row + 1) * weights, strict=True):
            emission_gradient[row, range(length), path] += weight
            np.add.at(transition_gradient, (path[:-1], path[1:]), weight)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(by_emission, emission_gradient, atol=1e-4)
    np.testing.assert_allclose(by_transition, transition_gradient, atol=1e-4)


def test_equals_the_layer_of_bert4keras():
    n, batch, length = 21, 4, 17
    rng = np.random.default_rng(0)
    emissions = rng.normal(0, 3, (batch, length, n)).astype(np.float32)
    labels, mask = rng.integers(0, n, (batch, length)), np.arange(length) < np.array([[17], [2], [9], [16]])
    layer = ConditionalRandomField()
    layer.build((None, None, n))

    def gradients(loss_of):
        with tf.GradientTape() as tape:
            x, t = tf.constant(emissions), layer._trans
            tape.watch(x)
            loss = loss_of(x, t)
        return [loss, *map(tf.convert_to_tensor, tape.gradient(loss, [x, t]))]

    theirs = gradients(lambda x, _: layer.sparse_loss(labels, layer(x, mask=tf.constant(mask))))
    ours = gradients(lambda x, t: crf_loss(labels, x, t, mask))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_padding_does_not_count():
    labels, emissions, transitions, mask = random_case(0)
    changed = np.where(mask[..., None], emissions, 1e6).astype(np.float32)
    np.testing.assert_array_equal(
        crf_loss(labels, emissions, transitions, mask), crf_loss(labels, changed, transitions, mask)
    )


@pytest.mark.parametrize("seed", range(6))
def test_viterbi_finds_the_best_of_all_paths(seed):
    _, emissions, transitions, _ = random_case(seed, n=6)
    for row, path in enumerate(viterbi(emissions, transitions, LENGTHS)):
        paths, scores = all_paths(emissions[row], transitions, LENGTHS[row])
        assert tuple(path) == paths[scores.argmax()]


def test_viterbi_takes_each_sequence_for_itself():
    """Neither padding nor a sequence in which every tag is possible changes the paths of the others."""
    rng = np.random.default_rng(2)
    transitions = rng.normal(0, 1, (30, 30)).astype(np.float32)
    emissions = rng.normal(0, 1, (3, 8, 30)).astype(np.float32)
    emissions[1] += 20 * (np.arange(30) == rng.integers(0, 30, (8, 1)))
    lengths = np.array([8, 5, 1])
    emissions[1, 5:], emissions[2, 1:] = 1e6, -np.inf
    for row, path in enumerate(viterbi(emissions, transitions, lengths)):
        [alone] = viterbi(emissions[row : row + 1, : lengths[row]], transitions, lengths[row : row + 1])
        np.testing.assert_array_equal(path, alone)


@pytest.mark.parametrize("sure", [0.0, 3.0, 9.0])
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_viterbi_is_exact_with_many_labels(scale, sure):
    """The transitions weigh little or much, and few tags or all of them are possible."""
    rng = np.random.default_rng(1)
    emissions = rng.normal(0, 1, (4, 9, 60)).astype(np.float32)
    emissions += sure * (rng.random(emissions.shape) < 0.02) + sure * (np.arange(60) == 0)
    transitions = rng.normal(0, scale, (60, 60)).astype(np.float32)
    scores = emissions[:, 0]
    for t in range(1, 9):
        scores = (scores[:, :, None] + transitions).max(1) + emissions[:, t]
    for row, path in enumerate(viterbi(emissions, transitions, np.full(4, 9))):
        np.testing.assert_allclose(path_score(path, emissions[row], transitions), scores[row].max(), rtol=1e-5)
