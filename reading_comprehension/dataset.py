"""Turns questions into features: windows of the context, with the answers as token spans. The heads make batches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common import batching
from common.batching import pad_tokens
from common.folding import find_folded
from common.spans import Span, find, token_span, token_windows
from common.tokenizer import Tokenizer
from records import Question

if TYPE_CHECKING:
    from config import Config


@dataclass(frozen=True)
class Features:
    """A question with one window of its context: [CLS] question [SEP] window [SEP]."""

    question: int  # its index among all questions
    token_ids: np.ndarray  # int32 [n]
    segment_ids: np.ndarray  # int32 [n]: 0 up to the first [SEP], then 1
    offsets: np.ndarray  # int32 [n, 2]: characters [start, end) of the context, (0, 0) for tokens outside it
    answers: np.ndarray  # int32 [a, 2]: first and last token of each occurrence of an answer


def to_features(
    questions: Sequence[Question], tokenizer: Tokenizer, config: "Config", counts: Counter[str] | None = None
) -> Iterator[Features]:
    """Cut the context of each question into windows, and put the question in front of each window.

    A window starts every `stride` tokens. With the question it has at most `max_length` tokens. An answer belongs to
    every window that holds all of it. If a question has answers but none of them can be located, it gets no features,
    because its windows would teach the model that they hold no answer.

    Args:
        questions: the questions, with or without answers.
        tokenizer: the encoder's tokenizer.
        config: the config of the run.
        counts: collects how many answers there are, and how much was cut, lost or left out.
    """
    counts = Counter() if counts is None else counts
    contexts = list(dict.fromkeys(question.context for question in questions))
    encoded_contexts = dict(zip(contexts, tokenizer.encode(contexts), strict=True))
    encoded_questions = tokenizer.encode(question.question for question in questions)
    for index, (question, encoded) in enumerate(zip(questions, encoded_questions, strict=True)):
        context = encoded_contexts[question.context]
        answers = _token_spans(question, context.offsets, counts)
        counts["answer spans of more than max_answer_tokens"] += int(
            (answers[:, 1] - answers[:, 0] >= config.max_answer_tokens).sum()
        )
        if question.answers and not len(answers):
            counts["questions left out: no answer located"] += 1
            continue
        prefix = [tokenizer.cls_id, *encoded.ids[: config.max_question_length], tokenizer.sep_id]
        counts["questions cut"] += len(encoded.ids) > config.max_question_length
        lost = np.ones(len(answers), bool)
        for window in token_windows(context, tokenizer, config.max_length, config.stride, prefix):
            segment_ids = (np.arange(len(window.token_ids)) >= len(prefix)).astype(np.int32)
            held = window.holds(answers)
            lost &= ~held
            yield Features(index, window.token_ids, segment_ids, window.offsets, window.place(answers[held]))
        counts["answer spans lost: fit no window"] += int(lost.sum())


def locate(context: str, answer: str, counts: Counter[str] | None = None) -> list[Span]:
    """Find all occurrences of an answer in its context, as characters [start, end).

    An answer that does not occur as written is searched for again without regard to case, width and white space.
    The offsets in the files are ignored: those of DuReader-robust's dev file are all -1, and to the metric every
    occurrence is as good as any other. `counts` collects how answers were found or lost.

    >>> locate("在 ＮＢＡ 打球", "nba")
    [(2, 5)]
    """
    counts = Counter() if counts is None else counts
    counts["answers"] += 1
    if not answer.strip():
        counts["answers lost: empty"] += 1
        return []
    spans = find(context, answer)
    if not spans:
        spans = find_folded(context, answer)
        if spans:
            counts["answers found only by ignoring case, width or space"] += 1
    counts["answers lost: not in the context"] += not spans
    return spans


def _token_spans(question: Question, offsets: np.ndarray, counts: Counter[str]) -> np.ndarray:
    spans = set()
    if question.answers:
        starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
        for answer in question.answers:
            for characters in locate(question.context, answer, counts):
                span = token_span(characters, starts, ends, counts)
                if span is None:
                    counts["answer spans lost: no token in them"] += 1
                else:
                    spans.add(span)
    return np.array(sorted(spans), np.int32).reshape(-1, 2)


def model_inputs(features: list[Features]) -> dict[str, np.ndarray]:
    """Return the inputs of a batch: `token_ids` and `segment_ids`, int32 [batch, longest]."""
    return batching.model_inputs(features) | {"segment_ids": pad_tokens([feature.segment_ids for feature in features])}
