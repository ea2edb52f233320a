"""Answers questions with a trained model, for train.py and predict.py."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from common.inference import chunks, in_length_order
from common.run_folder import load_run
from common.tokenizer import Tokenizer
from config import Config
from dataset import to_features
from decode import Answer, to_answers
from model import Extractor, load_extractor
from records import Question

# How many questions are answered together. A worker gets as many at a time. A larger number means less padding, and
# more scores in memory.
CHUNK = 256
N_BEST = 20  # the most answers to a question


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[Question]], Iterator[tuple[str, list[Answer]]]]:
    """Load the model of a run and return a function that answers questions, as `predict` does.

    `args` is the command line of predict.py. Each worker calls this once. Raises UserError if the run is not finished.
    """
    folder, config, source = load_run(args.model, Config)
    n = 1 if args.text is None and args.n_best is None else N_BEST
    extractor = load_extractor(folder, config, source, args.engine, n)
    return lambda questions: predict(questions, extractor, source.tokenizer, config, args.batch_size)


def predict(
    questions: Iterable[Question],
    extractor: Extractor,
    tokenizer: Tokenizer,
    config: Config,
    batch_size: int = 64,
) -> Iterator[tuple[str, list[Answer]]]:
    """Answer questions: yield the id of each with up to `N_BEST` answers, best first.

    There is no answer if the context has no token.

    Args:
        questions: the questions. Their gold answers are ignored.
        extractor: finds the best spans in windows.
        tokenizer: the encoder's tokenizer.
        config: the config of the run.
        batch_size: the most windows in a batch.
    """
    for chunk in chunks((replace(question, answers=()) for question in questions), CHUNK):
        features = list(to_features(chunk, tokenizer, config))
        lengths = [len(feature.token_ids) for feature in features]
        windows = defaultdict(list)
        for feature, candidates in zip(
            features, in_length_order(features, lengths, extractor, batch_size), strict=True
        ):
            windows[feature.question].append((feature, candidates))
        for index, question in enumerate(chunk):
            yield question.id, to_answers(question.context, windows[index], N_BEST)
