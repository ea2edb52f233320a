"""Finds the questions that are out of reach: a model without mistakes finds none of their answers."""

import sys
from collections import defaultdict
from functools import partial

from common.reach import Reach
from config import Config
from dataset import Features
from decode import to_answers
from model import HEADS
from records import Question
from scoring import occurs, question_scores


def print_reach(questions: list[Question], features: list[Features], config: Config) -> None:
    """Print how many questions of the dev file are out of reach of the head, and warn if these are many.

    Args:
        questions: the questions of the dev file.
        features: their windows.
        config: names the head and the file.
    """
    head, reach = HEADS[config.head], Reach()
    windows = defaultdict(list)
    for feature in features:
        if len(feature.answers):
            windows[feature.question].append((feature, head.perfect(feature, config.max_answer_tokens)))
    for index, question in enumerate(questions):
        found = to_answers(question.context, windows[index], sys.maxsize)
        reached = any(question_scores(question.answers, answer.text)[1] for answer in found)
        reach.add(f"id {question.id}", question.answers or ("",), reached, partial(occurs, text=question.context))
    reach.print(config.dev_file, "questions")
