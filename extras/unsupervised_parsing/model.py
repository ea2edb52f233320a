"""The model of this folder: an encoder without its last block, and means of its hidden states over spans."""

import tensorflow as tf
import tf_keras as keras

from common.encoder import build_encoder, load_pretrained
from common.encoder_source import EncoderSource
from common.inference import Engine, select_engine


def build_model(encoder: keras.Model) -> keras.Model:
    """Build the model that averages the hidden states before the encoder's last block over spans of tokens.

    It takes `token_ids`, int32 [batch, length], and `spans`, int32 [batch, s, 2], the tokens [start, end) of each span.
    It returns only the means [batch, s, hidden_size], so that little has to be copied out of the engine.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    spans = keras.Input([None, 2], dtype="int32", name="spans")
    hidden = states(encoder)([token_ids, tf.zeros_like(token_ids)])
    position = tf.range(tf.shape(token_ids)[1])
    inside = tf.cast((position >= spans[..., :1]) & (position < spans[..., 1:]), hidden.dtype)
    means = tf.matmul(inside / tf.reduce_sum(inside, -1, keepdims=True), hidden)
    return keras.Model({"token_ids": token_ids, "spans": spans}, means)


def states(encoder: keras.Model) -> keras.Model:
    """Return the encoder without its last block.

    The last block turns the hidden states towards the token that has to be guessed. The states before it say more about
    words.
    """
    return keras.Model(encoder.inputs, encoder.boundaries[-2])


def load_engine(source: EncoderSource, engine: str = "auto") -> Engine:
    """Load a published encoder, and start an engine for its `build_model`.

    If `engine` is "auto", it may compute in bfloat16. This moves a score by 1 % of the spread of the scores, and F1 of
    words by a few thousandths.
    """
    encoder = build_encoder(source.architecture, seed=0)
    load_pretrained(encoder, source)
    return select_engine(engine)(build_model(encoder))
