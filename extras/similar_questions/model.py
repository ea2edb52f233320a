"""SimBERT: one encoder that writes a similar question and gives questions vectors (kexue.fm/archives/7427)."""

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.encoder import EncoderSource, build_encoder, mlm_head
from common.loss_model import LossModel, mean_loss
from common.losses import MASKED, token_crossentropy
from common.run_folder import RunFolder
from common.weights import load_weights
from config import Config

SCALE = 30  # of the cosines in the softmax over a batch


def build_model(encoder: keras.Model, seed: int) -> LossModel:
    """token_ids and segment_ids [pairs, 2, length], positions [pairs, 2, t] -> {"scores": of all entries of the
    vocabulary at the positions [pairs, 2, t, entries], "vectors": of both first questions [pairs, 2, size], of length
    1}. `encoder` is one with UniLM's mask and the masked-language-model head.
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
    """{"token_ids": [questions, length]} -> vectors of length 1, float32 [questions, size]. For TensorFlow's engine:
    with UniLM's mask OpenVINO in bfloat16 on a single thread gives other vectors, some of them NaN.
    """
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    hidden, _ = encoder([token_ids, tf.zeros_like(token_ids)])
    return keras.Model({"token_ids": token_ids}, _vectors(hidden))


def _vectors(hidden: tf.Tensor) -> tf.Tensor:
    """Those of [CLS]. With UniLM's mask it sees the first question alone."""
    return tf.math.l2_normalize(tf.cast(hidden[:, 0], tf.float32), -1)


def loss(targets: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]) -> list:
    """Returns two terms: the cross-entropy of each token with its weight, and of each pair."""
    return [
        token_crossentropy(targets["tokens"], outputs["scores"]),
        similarity_losses(targets["families"], outputs["vectors"]),
    ]


def similarity_losses(families: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """For each pair, float32 [pairs], the cross-entropy of finding the other question, of either, by its cosine among
    all questions of the batch; those of other pairs of the same family are not asked about.

    families: int32 [pairs]. vectors: float32 [pairs, 2, size].
    """
    pairs = tf.shape(vectors)[0]
    questions = tf.reshape(vectors, [2 * pairs, vectors.shape[-1]])
    own = tf.range(2 * pairs)
    other = own + 1 - 2 * (own % 2)
    related = tf.repeat(families, 2)
    left_out = (related[:, None] == related) & (own != other[:, None])
    scores = tf.where(left_out, MASKED, SCALE * tf.matmul(questions, questions, transpose_b=True))
    # not TensorFlow's cross-entropy: a part of a batch may have no pairs, and it then complains of no classes
    losses = tf.reduce_logsumexp(scores, -1) - tf.gather(scores, other, batch_dims=1)
    return tf.reduce_mean(tf.reshape(losses, [pairs, 2]), -1)


def mean_losses(model: LossModel) -> Callable[[Iterable[tuple[dict, dict]]], dict[str, float]]:
    """A function of batches: the mean of each loss over them."""

    @tf.function(reduce_retracing=True)
    def losses(inputs, targets):
        return [mean_loss(term) for term in loss(targets, model(inputs, training=False))]

    def mean(batches):
        generation, similarity = np.mean([losses(*batch) for batch in batches], 0).tolist()
        return {"generation_loss": generation, "similarity_loss": similarity}

    return mean


def load_encoder(folder: RunFolder, config: Config, source: EncoderSource) -> keras.Model:
    """The encoder of a finished run."""
    encoder = build_encoder(source.architecture, config.seed, config.dropout, with_mlm=True, unilm=True)
    load_weights(build_model(encoder, config.seed), folder.weights)
    return encoder
