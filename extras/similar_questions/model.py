"""SimBERT: one encoder that writes similar questions and turns questions into vectors (kexue.fm/archives/7427)."""

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.encoder import build_encoder, mlm_head
from common.encoder_source import EncoderSource
from common.loss_model import LossModel, mean_loss
from common.losses import MASKED, Weighted
from common.run_folder import RunFolder
from common.sparse_losses import token_crossentropy
from common.weights import load_weights
from config import Config

SCALE = 30  # multiplies the cosines before the softmax over a batch


def build_model(encoder: keras.Model, seed: int) -> LossModel:
    """Build the model that is trained, on an encoder with UniLM's mask and the masked-language-model head.

    Its inputs are those of `dataset.pair_batch`: `token_ids` and `segment_ids`, int32 [pairs, 2, length], and
    `positions`, int32 [pairs, 2, t]. The axis of 2 holds both directions of a pair. Its outputs are

    - `scores` [pairs, 2, t, entries]: the scores (logits) of all entries of the vocabulary at the positions,
    - `vectors` float32 [pairs, 2, size]: a vector of length 1 for the first question of each direction.
    """
    inputs = {
        name: keras.Input([2, None], dtype="int32", name=name) for name in ("token_ids", "segment_ids", "positions")
    }
    length, count = tf.shape(inputs["token_ids"])[2], tf.shape(inputs["positions"])[2]
    hidden, _ = encoder([tf.reshape(inputs[name], [-1, length]) for name in ("token_ids", "segment_ids")])
    positions = tf.reshape(inputs["positions"], [-1, count])
    scores = mlm_head(encoder)(tf.gather(hidden, positions, batch_dims=1))
    outputs = {
        "scores": tf.reshape(scores, [-1, 2, count, scores.shape[-1]]),
        "vectors": tf.reshape(_vectors(hidden), [-1, 2, hidden.shape[-1]]),
    }
    return LossModel(inputs, outputs, seed=seed)


def question_model(encoder: keras.Model) -> keras.Model:
    """Build the model that turns questions into vectors of length 1.

    It takes {"token_ids": int32 [questions, length]} and returns float32 [questions, size]. Run it in TensorFlow's
    engine: with UniLM's mask, OpenVINO in bfloat16 on a single thread gives other vectors, and some of them are NaN.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    hidden, _ = encoder([token_ids, tf.zeros_like(token_ids)])
    return keras.Model({"token_ids": token_ids}, _vectors(hidden))


def _vectors(hidden: tf.Tensor) -> tf.Tensor:
    """Return the vectors of [CLS], which sees only the first question: [rows, length, size] -> float32 [rows, size]."""
    return tf.math.l2_normalize(tf.cast(hidden[:, 0], tf.float32), -1)


def loss(targets: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]) -> list[Weighted | tf.Tensor]:
    """Return two losses, whose means are added up: one of each token, with weights, and one of each pair."""
    return [
        token_crossentropy(targets["tokens"], outputs["scores"]),
        similarity_losses(targets["families"], outputs["vectors"]),
    ]


def similarity_losses(families: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Return the similarity loss of each pair, float32 [pairs]: how badly its questions find each other.

    `families` is int32 [pairs], `vectors` float32 [pairs, 2, size]. Each question looks for the other one of its pair
    among all questions of the batch. The loss is the cross-entropy of a softmax over the cosines times `SCALE`. It is
    the mean over both questions of the pair. Questions of the same family in other pairs are left out of the softmax,
    since they may be similar as well.
    """
    pairs = tf.shape(vectors)[0]
    questions = tf.reshape(vectors, [2 * pairs, vectors.shape[-1]])
    own = tf.range(2 * pairs)
    other = own + 1 - 2 * (own % 2)
    related = tf.repeat(families, 2)
    left_out = (related[:, None] == related) & (own != other[:, None])
    scores = tf.where(left_out, MASKED, SCALE * tf.matmul(questions, questions, transpose_b=True))
    # A piece of a batch may have no pairs. TensorFlow's cross-entropy would fail there, since there are no classes.
    losses = tf.reduce_logsumexp(scores, -1) - tf.gather(scores, other, batch_dims=1)
    return tf.reduce_mean(tf.reshape(losses, [pairs, 2]), -1)


def mean_losses(model: LossModel) -> Callable[[Iterable[tuple[dict, dict]]], dict[str, float]]:
    """Return a function that takes batches and returns the mean of each loss over them, by name."""

    @tf.function(reduce_retracing=True)
    def losses(inputs: dict[str, tf.Tensor], targets: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        return [mean_loss(term) for term in loss(targets, model(inputs, training=False))]

    def mean(batches: Iterable[tuple[dict, dict]]) -> dict[str, float]:
        generation, similarity = np.mean([losses(*batch) for batch in batches], 0).tolist()
        return {"generation_loss": generation, "similarity_loss": similarity}

    return mean


def load_encoder(folder: RunFolder, config: Config, source: EncoderSource) -> keras.Model:
    """Load the encoder of a finished run."""
    encoder = build_encoder(source.architecture, config.seed, config.dropout, with_mlm=True, unilm=True)
    load_weights(build_model(encoder, config.seed), folder.weights)
    return encoder
