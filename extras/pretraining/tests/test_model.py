import numpy as np
import pytest
import tf_keras as keras

from common.encoder import build_encoder
from common.loss_model import mean_loss
from common.sparse_losses import token_crossentropy
from masked import build_model

ARCHITECTURE = {
    "model": "roformer", "vocab_size": 50, "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 32, "hidden_act": "gelu_erf", "max_position": 32,
    "segment_vocab_size": 2, "layer_norm_eps": 1e-12,
}  # fmt: skip
INPUTS = {
    "token_ids": np.array([[2, 9, 8, 7, 6, 3], [2, 5, 6, 3, 0, 0]], np.int32),
    "positions": np.array([[1, 4], [2, 0]], np.int32),
}
TOKENS = np.array([[10, 11], [12, 0]], np.int32)


@pytest.fixture(params=[0, 1], ids=["", "recompute"])
def encoder(request):
    return build_encoder(ARCHITECTURE, seed=1, dropout_rate=0.1, with_mlm=True, choose=True, recompute=request.param)


def test_scores_are_the_encoders_at_the_positions(encoder):
    whole = build_encoder(ARCHITECTURE, seed=1, with_mlm=True)
    _, expected = whole([INPUTS["token_ids"], np.zeros((2, 6), np.int32)])
    scores = build_model(encoder, 1)(INPUTS)
    np.testing.assert_allclose(scores[0], expected.numpy()[0, [1, 4]], atol=1e-5)
    np.testing.assert_allclose(scores[1, 0], expected.numpy()[1, 2], atol=1e-5)


def test_loss_is_the_mean_over_the_tokens_that_count(encoder):
    scores = build_model(encoder, 1)(INPUTS).numpy()
    log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    expected = -(log_p[0, 0, 10] + log_p[0, 1, 11] + log_p[1, 0, 12]) / 3
    assert float(mean_loss(token_crossentropy(TOKENS, scores))) == pytest.approx(expected, rel=1e-5)


def test_a_part_without_rows_adds_nothing():
    """There are such parts if a batch is cut into more parts than it has rows."""
    assert float(mean_loss(token_crossentropy(TOKENS[:0], np.zeros((0, 2, 50), np.float32)))) == 0


def test_training_moves_every_weight_of_the_encoder(encoder):
    """These include the head and the table of tokens, which the first and the last layer share."""
    model = build_model(encoder, 1)
    before = {variable.name: variable.numpy() for variable in encoder.trainable_variables}
    model.compile(keras.optimizers.SGD(0.1), token_crossentropy)
    loss = float(mean_loss(token_crossentropy(TOKENS, model(INPUTS))))
    model.train_on_batch(INPUTS, TOKENS)
    assert float(mean_loss(token_crossentropy(TOKENS, model(INPUTS)))) < loss
    still = [
        name
        for name, value in before.items()
        if any(
            variable.name == name and np.array_equal(variable.numpy(), value)
            for variable in encoder.trainable_variables
        )
    ]
    assert still == []
