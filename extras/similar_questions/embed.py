"""Questions -> vectors of length 1, whose products are cosines."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from common.inference import Engine, in_length_order, tensorflow_engine
from common.run_folder import load_run
from common.tokenizer import Tokenizer
from config import Config
from dataset import question_inputs, tokenize

BATCH_SIZE = 256  # questions; common.inference.MAX_TOKENS bounds longer ones
Embed = Callable[[Sequence[str]], np.ndarray]  # questions -> float32 [questions, size]


def embed(
    questions: Sequence[str], engine: Engine, tokenizer: Tokenizer, most: int, counts: Counter[str] | None = None
) -> np.ndarray:
    """Compute the vectors, float32 [questions, size]. Of each question the first `most` tokens are read; one without
    any has a vector, too.

    engine: that of `model.question_model`. `counts` gets how many questions are cut.
    """
    tokens = tokenize(questions, tokenizer, most, counts)
    items = [tokens[question] for question in questions]

    def vectors(batch: list[np.ndarray]) -> np.ndarray:
        return engine(question_inputs(batch, tokenizer))

    return np.array(in_length_order(items, [len(ids) + 2 for ids in items], vectors, BATCH_SIZE), np.float32)


def load_embed(run_folder: str, counts: Counter[str] | None = None) -> Embed:
    """Load the model of a finished run. Raises UserError for a folder that is none, before TensorFlow is imported."""
    folder, config, source = load_run(run_folder, Config)

    from model import load_encoder, question_model

    engine = tensorflow_engine(question_model(load_encoder(folder, config, source)))
    return lambda questions: embed(questions, engine, source.tokenizer, config.question_length, counts)
