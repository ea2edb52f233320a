import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import replaced
from common.encoder import build_encoder
from common.loss_model import mean_loss
from common.testing.runs import ARCHITECTURE

SIZES = ARCHITECTURE | {"vocab_size": 250}
INPUTS = {
    "token_ids": np.array([[2, 4, 8, 7, 4, 3], [2, 5, 4, 3, 0, 0]], np.int32),
    "positions": np.array([[1, 4], [2, 0]], np.int32),
    "tokens": np.array([[10, 11], [12, 0]], np.int32),
    "draws": np.array([[0.3, 0.8], [0.5, 0.5]], np.float32),
}
ORIGINAL = np.array([[2, 10, 8, 7, 11, 3], [2, 5, 12, 3, 0, 0]])


@pytest.fixture
def encoder():
    return build_encoder(SIZES, seed=1)


@pytest.fixture
def generator(encoder):
    return replaced.build_generator(SIZES, encoder, seed=2)


@pytest.fixture
def model(encoder, generator):
    return replaced.build_model(encoder, generator, seed=1)


def test_a_drawn_token_is_where_the_running_sum_passes_the_draw():
    rng = np.random.default_rng(0)
    for entries in (7, 100, 250):
        scores = 3 * rng.normal(size=(5, 40, entries))
        scores[..., 0] = -30  # padding
        draws = rng.random((5, 40))
        powers = np.exp(scores)
        ends = np.cumsum(powers / powers.sum(-1, keepdims=True), -1)
        clear = np.abs(ends - draws[..., None]).min(-1) > 1e-5  # elsewhere rounding decides
        expected = (ends <= draws[..., None]).sum(-1)
        found = replaced.draw(tf.constant(scores, tf.float32), tf.constant(draws, tf.float32)).numpy()
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found[clear], expected[clear])


def test_padding_and_numbers_beyond_the_vocabulary_are_never_drawn():
    scores = np.zeros((1, 2, 7), np.float32)
    scores[0, 0, 0] = 50
    assert replaced.draw(scores, np.array([[0.5, 1 - 1e-7]], np.float32)).numpy().tolist() == [[1, 6]]


def test_the_encoder_reads_what_the_generator_draws(encoder, generator, model):
    outputs = model(INPUTS)
    drawn = replaced.draw(outputs["scores"], INPUTS["draws"]).numpy()
    shown = ORIGINAL.copy()
    shown[0, [1, 4]], shown[1, 2] = drawn[0], drawn[1, 0]
    expected = np.where(ORIGINAL == 0, -1, (shown != ORIGINAL).astype(int))
    np.testing.assert_array_equal(outputs["truth"], expected)
    hidden = encoder([shown.astype(np.int32), np.zeros_like(shown, np.int32)])
    for layer in ("detector-dense", "detector"):
        hidden = model.get_layer(layer)(hidden)
    np.testing.assert_allclose(outputs["replaced"], hidden[..., 0], atol=1e-5)
    _, scores = generator([INPUTS["token_ids"], np.zeros((2, 6), np.int32), INPUTS["positions"]])
    np.testing.assert_allclose(outputs["scores"], scores, atol=1e-5)


def test_a_token_that_the_generator_finds_is_not_replaced(model):
    right = replaced.draw(model(INPUTS)["scores"], INPUTS["draws"]).numpy() * (INPUTS["positions"] > 0)
    assert (model(INPUTS | {"tokens": right})["truth"].numpy() <= 0).all()


def test_loss(model):
    outputs = {name: value.numpy().astype(np.float64) for name, value in model(INPUTS).items()}
    log_p = outputs["scores"] - np.log(np.exp(outputs["scores"]).sum(-1, keepdims=True))
    generator = -(log_p[0, 0, 10] + log_p[0, 1, 11] + log_p[1, 0, 12]) / 3
    p, truth = 1 / (1 + np.exp(-outputs["replaced"])), outputs["truth"]
    encoder = -np.log(np.where(truth == 1, p, 1 - p))[truth >= 0].mean()
    found = mean_loss(replaced.loss(INPUTS["tokens"], model(INPUTS)))
    assert float(found) == pytest.approx(generator + 50 * encoder, rel=1e-5)


def test_training_moves_every_weight_of_both(encoder, generator, model):
    """They share the table of tokens. The encoder's loss does not train the generator, since draws have no gradient."""
    assert encoder.get_layer("Embedding-Token") is generator.get_layer("Embedding-Token")
    before = [variable.numpy() for variable in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), replaced.loss)
    model.train_on_batch(INPUTS, INPUTS["tokens"])
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable.numpy(), value), variable.name
