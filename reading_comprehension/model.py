"""Encoder + heads + loss."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.encoder import EncoderSource, build_encoder
from common.heads import PairHead, text_mask
from common.inference import select_engine
from common.losses import batch_mean, factored_multilabel_crossentropy, masked_softmax_crossentropy
from common.run_folder import RunFolder
from common.training import LossModel, load_weights
from config import Config
from dataset import Features, model_inputs
from decode import Candidates, band, n_best_spans


def build_model(head: str, encoder: keras.Model, seed: int) -> LossModel:
    """The model of a head, "pair" or "softmax", on top of an encoder [token ids, segment ids] -> hidden states: inputs
    token_ids and segment_ids [batch, length], the context's tokens being of segment 1."""
    token_ids, segment_ids = (keras.Input([None], dtype="int32", name=name) for name in ("token_ids", "segment_ids"))
    hidden = encoder([token_ids, segment_ids])
    context = text_mask(token_ids) & (segment_ids == 1)
    outputs = {"pair": pair_outputs, "softmax": softmax_outputs}[head](hidden, context)
    return LossModel({"token_ids": token_ids, "segment_ids": segment_ids}, outputs, seed=seed)


def pair_outputs(hidden: tf.Tensor, context: tf.Tensor) -> dict[str, tuple]:
    """The factors of a pair head with one label, the answers' first and last tokens."""
    return {"answers": PairHead(1, name="answers")(hidden, mask=context)}


def softmax_outputs(hidden: tf.Tensor, context: tf.Tensor) -> dict[str, tf.Tensor]:
    """The 2020 baseline: logits [batch, length, 2] of first and last tokens, and the mask they are chosen from."""
    return {"logits": keras.layers.Dense(2, dtype="float32", name="answers")(hidden), "context": context}


def pair_loss(labels: dict, outputs: dict) -> tf.Tensor:
    return batch_mean(factored_multilabel_crossentropy(labels["answers"], *outputs["answers"])[:, 0])


def softmax_loss(labels: dict, outputs: dict) -> tf.Tensor:
    """Mean over first and last token; [CLS] is the answer of a window without one."""
    first, last = tf.unstack(outputs["logits"], axis=-1)
    is_cls = tf.range(tf.shape(first)[1]) == 0
    mask = outputs["context"] | is_cls
    losses = [
        masked_softmax_crossentropy(labels["span"][:, end], logits, mask) for end, logits in enumerate((first, last))
    ]
    return batch_mean(tf.add_n(losses) / 2)


LOSSES = {"pair": pair_loss, "softmax": softmax_loss}


class Extractor:
    """Features of a batch -> the best spans of each window, with either head."""

    def __init__(self, model: LossModel, config: Config, engine: Callable, n_best: int = 1):
        self.config, self.n_best = config, n_best
        names = ["answers"] if config.head == "pair" else ["logits"]
        self.run = engine(keras.Model(model.input, {name: model.output[name] for name in names}))

    def __call__(self, features: list[Features]) -> Iterator[Candidates]:
        outputs = self.run(model_inputs(features))
        for row, feature in enumerate(features):
            length, width = len(feature.token_ids), self.config.max_answer_tokens
            context = feature.offsets[:, 1] > 0
            if self.config.head == "pair":
                scores, row_bias, column_bias = (factor[row] for factor in outputs["answers"])
                scores = scores[:length, :length] + row_bias[0, :length, None] + column_bias[0, :length]
            else:
                # log probabilities: logits of two windows do not compare, "no answer here" is in that of [CLS] alone
                logits = outputs["logits"][row, :length]
                choices = context | (np.arange(length) == 0)
                first, last = (logits - np.logaddexp.reduce(logits[choices])).T
                scores = first[:, None] + last
            yield n_best_spans(band(scores, min(width, length)), context, self.n_best)


def load_extractor(
    folder: RunFolder, config: Config, source: EncoderSource, engine: str = "auto", n_best: int = 1
) -> Extractor:
    """The trained model of a run, in float32."""
    model = build_model(config.head, build_encoder(source.architecture, config.seed), config.seed)
    load_weights(model, folder.weights)
    return Extractor(model, config, select_engine(engine), n_best)
