"""Encoder + masked-language-model head on the tokens to be found + loss."""

from dataclasses import replace

import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.encoder import EncoderSource, build_encoder, load_weights
from common.losses import sum_over_replicas
from common.training import LossModel

HEAD = "cls/predictions/transform/dense/kernel"


def build_model(encoder: keras.Model, seed: int) -> LossModel:
    """token_ids [batch, length], positions [batch, p] -> scores of all entries of the vocabulary at these positions,
    [batch, p, entries]. `encoder` is one with the head; the product with the vocabulary costs as much as four layers
    of 256 units, so only the positions that count go through it."""
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    positions = keras.Input([None], dtype="int32", name="positions")
    head = keras.Model(*encoder.outputs, name="head")
    hidden, _ = encoder([token_ids, tf.zeros_like(token_ids)])
    scores = head(tf.gather(hidden, positions, batch_dims=1))
    return LossModel({"token_ids": token_ids, "positions": positions}, scores, seed=seed)


def masked_loss(tokens: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The mean cross-entropy of the tokens, int32 [batch, p], but those that are 0; of each replica its part."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tokens, tf.cast(scores, tf.float32))
    counted = tf.cast(tokens != 0, tf.float32)
    tokens = sum_over_replicas(tf.reduce_sum(counted))
    return tf.math.divide_no_nan(tf.reduce_sum(losses * counted), tokens)  # a part of a batch may have no rows


def load_model(source: EncoderSource) -> LossModel:
    """The model of a published encoder. Raises UserError if that has no masked-language-model head."""
    weights = source.weights()
    if HEAD not in weights:
        raise UserError(f"{source.name}: no masked-language-model head, the file lacks {HEAD}")
    encoder = build_encoder(source.architecture, seed=0, with_mlm=True)
    load_weights(encoder, replace(source, weights=lambda: weights))
    return build_model(encoder, seed=0)
