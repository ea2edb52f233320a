"""Questions -> answers by a model; for train.py and predict.py."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from common.inference import chunks, in_length_order
from common.run_folder import load_run
from common.tokenizer import Tokenizer
from config import Config
from dataset import to_features
from decode import Answer, to_answers
from model import load_extractor
from records import Question

# Questions in memory at a time as scores, and of a worker's block; the more, the less padding.
CHUNK = 256
N_BEST = 20


def load_predictor(args: argparse.Namespace) -> Callable[[Iterable[Question]], Iterator[tuple[str, list[Answer]]]]:
    """Loads the model of a run and returns what answers questions: (id, best answers) for each. Each worker calls it
    once. Raises UserError for a folder that is no finished run.
    """
    folder, config, source = load_run(args.model, Config)
    n = 1 if args.text is None and args.n_best is None else N_BEST
    extractor = load_extractor(folder, config, source, args.engine, n)
    return lambda questions: predict(questions, extractor, source.tokenizer, config, args.batch_size)


def predict(
    questions: Iterable[Question],
    extractor: Any,
    tokenizer: Tokenizer,
    config: Config,
    batch_size: int = 64,
) -> Iterator[tuple[str, list[Answer]]]:
    """The id and the best answers of each question, best first; none where the context has no token. Answers that a
    question has already are not looked at.

    extractor: a head's; features of a batch -> candidates of each window.
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
