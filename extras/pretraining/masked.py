"""The masked-language model as an objective: find the tokens that are masked."""

import tf_keras as keras

from common.encoder import start_encoder
from common.encoder_source import EncoderSource
from common.loss_model import LossModel
from common.sparse_losses import token_crossentropy as loss
from config import Config
from dataset import masked_batch as batch
from model import build_model
from scoring import SCORES, score

__all__ = ["SCORES", "batch", "loss", "score", "start"]


def start(config: Config, source: EncoderSource) -> tuple[keras.Model, LossModel]:
    """Build the encoder that is trained, with its masked-language-model head, and the model around it."""
    encoder = start_encoder(config, source, with_mlm=True, choose=True)
    return encoder, build_model(encoder, config.seed)
