"""The masked-language model: its head finds the tokens that are masked."""

from dataclasses import replace

import numpy as np
import tensorflow as tf
import tf_keras as keras

from common.cli import UserError
from common.encoder import build_encoder, load_pretrained, start_encoder
from common.encoder_source import EncoderSource
from common.inference import Engine
from common.loss_model import LossModel
from common.sparse_losses import token_crossentropy
from common.tokenizer import Tokenizer
from config import Config
from dataset import Windows, dev_batches, masked_batch

SCORES = ("accuracy", "perplexity", "word_accuracy")
HEAD = "cls/predictions/transform/dense/kernel"

batch, loss = masked_batch, token_crossentropy


def start(config: Config, source: EncoderSource) -> tuple[keras.Model, LossModel]:
    """Build the encoder that is trained, with its masked-language-model head, and the model around it."""
    encoder = start_encoder(config, source, with_mlm=True, choose=True)
    return encoder, build_model(encoder, config.seed)


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


def score(engine: Engine, windows: Windows, tokenizer: Tokenizer) -> dict[str, float]:
    """Score a model on a text. The masks are always the same, and every chosen token is shown as [MASK].

    Args:
        engine: runs the model, or a baseline with the same inputs and outputs.
        windows: the windows of the text.
        tokenizer: the encoder's tokenizer.

    Returns:
        accuracy: the share of the masked tokens that are found if single tokens are masked.
        perplexity: exp of the mean of -log p of these tokens.
        word_accuracy: the share of the masked tokens that are found if whole words are masked.
    """
    single, log_p = find(engine, windows, tokenizer, whole_words=0.0)
    words, _ = find(engine, windows, tokenizer, whole_words=1.0)
    values = round(float(single.mean()), 4), round(float(np.exp(-log_p.mean())), 3), round(float(words.mean()), 4)
    return dict(zip(SCORES, values, strict=True))


def find(engine: Engine, windows: Windows, tokenizer: Tokenizer, whole_words: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for every masked token whether it is found, bool [n], and the log of its probability, float [n].

    Args:
        engine: as in `score`.
        windows: the windows of the text.
        tokenizer: the encoder's tokenizer.
        whole_words: the share of the batches in which whole words are masked.
    """
    found, log_p = [], []
    for features, rng in dev_batches(windows):
        inputs, tokens = masked_batch(features, rng, tokenizer, whole_words, noise=0.0)
        scores = engine(inputs)[tokens != 0].astype(np.float32)
        tokens = tokens[tokens != 0]
        own = scores[np.arange(len(tokens)), tokens]
        largest = scores.max(-1)
        found.append(scores.argmax(-1) == tokens)
        log_p.append(own - largest - np.log(np.exp(scores - largest[:, None]).sum(-1)))
    return np.concatenate(found), np.concatenate(log_p)
