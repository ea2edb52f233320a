"""The model: an encoder with its masked-language-model head, at the positions of the tokens to be found."""

from dataclasses import replace

import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.encoder import build_encoder, load_pretrained
from common.encoder_source import EncoderSource
from common.loss_model import LossModel

HEAD = "cls/predictions/transform/dense/kernel"


def build_model(encoder: keras.Model, seed: int) -> LossModel:
    """Build the model that maps token_ids int32 [batch, length] and positions int32 [batch, p] to scores.

    The scores [batch, p, entries] are those of all entries of the vocabulary at these positions. `encoder` must have
    been built `with_mlm` and `choose`: the last block and the head compute only the positions that count. The head's
    product with the vocabulary costs as much as four layers of 256 units.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    positions = keras.Input([None], dtype="int32", name="positions")
    _, scores = encoder([token_ids, tf.zeros_like(token_ids), positions])
    return LossModel({"token_ids": token_ids, "positions": positions}, scores, seed=seed)


def load_model(source: EncoderSource) -> LossModel:
    """Load the model of a published encoder. Raise UserError if it has no masked-language-model head."""
    assert source.weights is not None, "only a fresh encoder has no weights"
    weights = source.weights()
    if HEAD not in weights:
        raise UserError(
            f"{source.name}: no masked-language-model head (the discriminators of ELECTRA have none): "
            f"the file lacks {HEAD}"
        )
    encoder = build_encoder(source.architecture, seed=0, with_mlm=True, choose=True)
    load_pretrained(encoder, replace(source, weights=lambda: weights))
    return build_model(encoder, seed=0)
