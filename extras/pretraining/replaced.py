"""Replaced-token detection: a small generator fills the masks, and the encoder finds the tokens that it got wrong.

This is ELECTRA (arXiv 2003.10555). The encoder learns from every token of a text, and not only from the masked ones.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.activations import GELU
from common.bert import TruncatedNormal
from common.encoder import build_encoder, start_encoder
from common.encoder_source import EncoderSource
from common.inference import Engine
from common.loss_model import LossModel
from common.losses import Weighted
from common.sparse_losses import token_crossentropy
from common.tokenizer import Tokenizer
from config import Config
from dataset import Features, Windows, dev_batches, masked_batch

SCORES = ("accuracy", "precision", "recall")
WEIGHT = 50.0  # of the encoder's loss; that of the generator's is 1
BLOCK = 100  # entries of the vocabulary whose probabilities are added up first, see `draw`


def start(config: Config, source: EncoderSource) -> tuple[keras.Model, LossModel]:
    """Build the encoder that is trained, and the model around it."""
    encoder = start_encoder(config, source)
    generator = build_generator(source.architecture, encoder, config.seed + 1)
    return encoder, build_model(encoder, generator, config.seed)


def batch(
    features: list[Features], rng: np.random.Generator, tokenizer: Tokenizer, whole_words: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Make the inputs of `build_model` and the tokens to be found. Every chosen token is shown as [MASK]."""
    inputs, tokens = masked_batch(features, rng, tokenizer, whole_words, noise=0.0)
    return inputs | {"tokens": tokens, "draws": rng.random(tokens.shape, np.float32)}, tokens


def build_generator(architecture: dict[str, Any], encoder: keras.Model, seed: int) -> keras.Model:
    """Build a generator with the encoder's table of tokens, as many blocks, and a quarter of its heads, at least one.

    The heads have the encoder's size, which suits its kind of positions.
    """
    heads = max(architecture["num_attention_heads"] // 4, 1)
    width = heads * (architecture["hidden_size"] // architecture["num_attention_heads"])
    sizes = {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": 4 * width}
    return build_encoder(architecture | sizes, seed, 0.0, with_mlm=True, choose=True, embeddings_of=encoder)


def build_model(encoder: keras.Model, generator: keras.Model, seed: int) -> LossModel:
    """Build the model of both.

    Its inputs are token_ids int32 [batch, length] with [MASK] at the chosen positions, positions int32 [batch, p], the
    tokens int32 [batch, p] that were there, and draws float32 [batch, p] in [0, 1). Unused positions are 0.

    The outputs are the generator's `scores` [batch, p, entries], the encoder's `replaced` [batch, length], a logit for
    each token, and `truth` int32 [batch, length]: whether a token was replaced, and -1 at padding.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    positions = keras.Input([None], dtype="int32", name="positions")
    tokens = keras.Input([None], dtype="int32", name="tokens")
    draws = keras.Input([None], dtype="float32", name="draws")
    segments = tf.zeros_like(token_ids)
    _, scores = generator([token_ids, segments, positions])
    original = put(token_ids, positions, tokens)
    shown = put(token_ids, positions, draw(tf.stop_gradient(scores), draws))
    truth = tf.where(token_ids == 0, -1, tf.cast(shown != original, tf.int32))
    hidden = encoder([shown, segments])
    size = hidden.shape[-1]
    initial = TruncatedNormal(seed)
    hidden = keras.layers.Dense(size, GELU["gelu_erf"], kernel_initializer=initial, name="detector-dense")(hidden)
    replaced = keras.layers.Dense(1, kernel_initializer=initial, name="detector")(hidden)[..., 0]
    inputs = {"token_ids": token_ids, "positions": positions, "tokens": tokens, "draws": draws}
    return LossModel(inputs, {"scores": scores, "replaced": replaced, "truth": truth}, seed=seed)


def put(token_ids: tf.Tensor, positions: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """Put tokens [batch, p] at positions [batch, p] of token ids [batch, length]. Position 0 keeps its token, [CLS]."""
    tokens = tf.where(positions > 0, tokens, token_ids[:, :1])
    rows = tf.broadcast_to(tf.range(tf.shape(positions)[0])[:, None], tf.shape(positions))
    return tf.tensor_scatter_nd_update(token_ids, tf.stack([rows, positions], -1), tokens)


def draw(scores: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Draw tokens by their probabilities: those at which the running sum passes the draw, int32 [batch, p].

    The sum runs over blocks of entries first, and then inside one block. Token 0, padding, is never drawn.

    Args:
        scores: logits [batch, p, entries].
        draws: uniform in [0, 1), float32 [batch, p].
    """
    entries = scores.shape[-1]
    powers = tf.nn.softmax(tf.cast(scores, tf.float32))
    powers = tf.pad(powers, [[0, 0], [0, 0], [0, -entries % BLOCK]])
    powers = tf.reshape(powers, [tf.shape(scores)[0], tf.shape(scores)[1], -(-entries // BLOCK), BLOCK])
    ends = tf.cumsum(tf.reduce_sum(powers, -1), -1)
    block = tf.minimum(tf.reduce_sum(tf.cast(ends <= draws[..., None], tf.int32), -1), ends.shape[-1] - 1)
    start = tf.where(block > 0, tf.gather(ends, tf.maximum(block - 1, 0), batch_dims=2), 0.0)
    within = start[..., None] + tf.cumsum(tf.gather(powers, block, batch_dims=2), -1)
    entry = tf.minimum(tf.reduce_sum(tf.cast(within <= draws[..., None], tf.int32), -1), BLOCK - 1)
    return tf.clip_by_value(block * BLOCK + entry, 1, entries - 1)


def loss(tokens: tf.Tensor, outputs: dict[str, tf.Tensor]) -> list[Weighted]:
    """Return the generator's loss for each token to be found, and the encoder's, times `WEIGHT`, for each token."""
    truth = outputs["truth"]
    losses = tf.nn.sigmoid_cross_entropy_with_logits(
        tf.cast(tf.maximum(truth, 0), tf.float32), tf.cast(outputs["replaced"], tf.float32)
    )
    return [token_crossentropy(tokens, outputs["scores"]), Weighted(WEIGHT * losses, tf.cast(truth >= 0, tf.float32))]


def score(engine: Engine, windows: Windows, tokenizer: Tokenizer) -> dict[str, float]:
    """Score both on a text, with single tokens masked. The masks and the draws are always the same.

    Returns:
        accuracy: the share of the masked tokens that the generator finds.
        precision: the share of the tokens that the encoder takes for replaced ones which are.
        recall: the share of the replaced tokens that the encoder finds.
    """
    found = masked = hits = said = true = 0
    for features, rng in dev_batches(windows):
        inputs, tokens = batch(features, rng, tokenizer, whole_words=0.0)
        outputs = engine(inputs)
        is_said, is_true = (outputs["replaced"] > 0) & (outputs["truth"] >= 0), outputs["truth"] == 1
        found += np.sum((outputs["scores"].argmax(-1) == tokens) & (tokens != 0))
        masked += np.sum(tokens != 0)
        hits, said, true = hits + np.sum(is_said & is_true), said + np.sum(is_said), true + np.sum(is_true)
    values = found / masked, hits / max(said, 1), hits / max(true, 1)
    return {name: round(float(value), 4) for name, value in zip(SCORES, values, strict=True)}
