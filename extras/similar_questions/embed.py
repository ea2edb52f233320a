"""Turns questions into vectors of length 1. The product of two of them is their cosine."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from common.inference import Engine, in_length_order, tensorflow_engine
from common.run_folder import load_run
from common.tokenizer import Tokenizer
from config import Config
from dataset import question_inputs, tokenize

BATCH_SIZE = 256  # questions; fewer if they are long, see common.inference.MAX_TOKENS


class Embed(Protocol):
    """Turns questions into vectors."""

    def __call__(self, questions: Sequence[str]) -> np.ndarray:
        """Return a vector of length 1 for each question, float32 [questions, size]."""


def embed(
    questions: Sequence[str], engine: Engine, tokenizer: Tokenizer, most: int, counts: Counter[str] | None = None
) -> np.ndarray:
    """Compute the vectors of questions, float32 [questions, size].

    Args:
        questions: texts. One without a token has a vector as well.
        engine: runs `model.question_model`.
        tokenizer: cuts them into tokens.
        most: the most tokens of a question that are read.
        counts: gets how many questions are cut, and how many have no token.
    """
    tokens = tokenize(questions, tokenizer, most, counts)
    items = [tokens[question] for question in questions]

    def vectors(batch: list[np.ndarray]) -> np.ndarray:
        return engine(question_inputs(batch, tokenizer))

    return np.array(in_length_order(items, [len(ids) + 2 for ids in items], vectors, BATCH_SIZE), np.float32)


def load_embed(run_folder: str, counts: Counter[str] | None = None) -> Embed:
    """Load the model of a finished run, and return a function that turns questions into its vectors.

    Raises UserError if the folder is not a finished run, before TensorFlow is imported.
    """
    folder, config, source = load_run(run_folder, Config)

    from model import load_encoder, question_model

    engine = tensorflow_engine(question_model(load_encoder(folder, config, source)))
    return lambda questions: embed(questions, engine, source.tokenizer, config.question_length, counts)
