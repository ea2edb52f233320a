"""Questions -> features (windows of the context, answers as spans of tokens). The heads make batches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common import batching
from common.batching import pad
from common.spans import Span, find, find_folded, token_span, token_windows
from common.tokenizer import Tokenizer
from records import Question

if TYPE_CHECKING:
    from config import Config


@dataclass(frozen=True)
class Features:
    """[CLS] question [SEP] window of the context [SEP]. `offsets` int32 [n, 2] are characters of the context, (0, 0)
    for all tokens that are not of it.

    `answers` int32 [a, 2]: first and last token of each occurrence of an answer.
    """

    question: int
    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    answers: np.ndarray


def to_features(
    questions: Sequence[Question], tokenizer: Tokenizer, config: "Config", counts: Counter[str] | None = None
) -> Iterator[Features]:
    """Cut contexts into windows, every `stride` tokens, each after the question; together at most `max_length` tokens.

    An answer is in every window that holds it. `counts` gets what cannot be located. A question with answers none of
    which can be located has no features: its windows would teach that there is no answer in them.
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
    """Find all occurrences of an answer: as written and, only where there is none, without case, width and white space.

    Offsets in the files are not looked at: those of DuReader-robust's dev file are all -1, and every occurrence of
    the string answers the question as far as the metric can tell. `counts` gets what is found, and how.
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
    """The inputs of a batch: `token_ids` and `segment_ids`, int32 [batch, longest]."""
    return batching.model_inputs(features) | {"segment_ids": pad([feature.segment_ids for feature in features])}
