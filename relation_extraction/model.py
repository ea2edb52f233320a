"""Encoder + heads + loss."""

import tensorflow as tf
import tf_keras as keras

from common.heads import ConditionalLayerNormalization, PairHead
from common.losses import factored_multilabel_crossentropy, pointer_crossentropy
from common.training import LossModel
from dataset import Labels

# powers of the sigmoid in the pointer head: subjects, objects
SUBJECT_POWER, OBJECT_POWER = 2, 4


def build_model(head: str, encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The model of a head, "pair" or "pointer", on top of an encoder [token ids, segment ids] -> hidden states."""
    return {"pair": pair_model, "pointer": pointer_model}[head](encoder, labels, seed)


def pair_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """token_ids [batch, length] -> factors of three pair heads: the spans of subjects and objects, and for every
    relation and tie the pairs of their first and of their last tokens."""
    token_ids, hidden = _encode(encoder)
    mask = text_mask(token_ids)
    outputs = {
        "entities": PairHead(2, name="entities")(hidden, mask=mask),
        "heads": PairHead(len(labels), upper_triangle=False, name="heads")(hidden, mask=mask),
        "tails": PairHead(len(labels), upper_triangle=False, name="tails")(hidden, mask=mask),
    }
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def pair_loss(positives: dict, outputs: dict) -> tf.Tensor:
    """Sum over the labels, mean over the batch and over the three heads."""
    losses = [
        tf.reduce_mean(tf.reduce_sum(factored_multilabel_crossentropy(positives[name], *factors), -1))
        for name, factors in outputs.items()
    ]
    return tf.add_n(losses) / len(losses)


def pointer_model(encoder: keras.Model, labels: Labels, seed: int) -> LossModel:
    """The 2020 baseline: token_ids, subject [batch, 2] -> logits of the subjects' starts and ends
    [batch, length, 2], and of the objects of the given subject [batch, length, 2 * relations].

    The layers `subjects` and `objects` are models of their own, so that prediction runs the encoder once.
    """
    token_ids, hidden = _encode(encoder)
    subject = keras.Input([2], dtype="int32", name="subject")
    subjects = keras.layers.Dense(2, dtype="float32", name="subject_pointers")(hidden)
    objects = object_model(hidden.shape[-1], len(labels.relations))
    mask = text_mask(token_ids)
    outputs = {"subjects": subjects, "objects": objects([hidden, subject]), "mask": mask}
    return LossModel({"token_ids": token_ids, "subject": subject}, outputs, seed=seed)


def object_model(size: int, relations: int) -> keras.Model:
    """Hidden states [batch, length, size], subject [batch, 2] -> logits [batch, length, 2 * relations]."""
    hidden = keras.Input([None, size], name="hidden")
    subject = keras.Input([2], dtype="int32", name="subject")
    first_and_last = tf.gather(hidden, subject, batch_dims=1)
    condition = keras.layers.Flatten()(first_and_last)
    conditioned = ConditionalLayerNormalization(name="subject_condition")(hidden, condition=condition)
    logits = keras.layers.Dense(2 * relations, dtype="float32", name="object_pointers")(conditioned)
    return keras.Model([hidden, subject], logits, name="objects")


def pointer_loss(labels: dict, outputs: dict) -> tf.Tensor:
    return sum(
        pointer_crossentropy(labels[name], outputs[name], power, outputs["mask"])
        for name, power in [("subjects", SUBJECT_POWER), ("objects", OBJECT_POWER)]
    )


LOSSES = {"pair": pair_loss, "pointer": pointer_loss}


def text_mask(token_ids: tf.Tensor) -> tf.Tensor:
    """bool [batch, length]: neither padding nor [CLS], the first token, nor [SEP], the last one."""
    is_token = token_ids != 0
    has_next = tf.pad(is_token[:, 1:], [[0, 0], [0, 1]])
    return has_next & tf.pad(is_token[:, :-1], [[0, 0], [1, 0]])


def _encode(encoder: keras.Model) -> tuple[tf.Tensor, tf.Tensor]:
    token_ids = keras.Input([None], dtype="int32", name="token_ids")
    return token_ids, encoder([token_ids, tf.zeros_like(token_ids)])
