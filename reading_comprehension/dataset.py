"""SQuAD-like files -> questions -> features (windows of the context, answers as spans of tokens) -> batches."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import batching
from common.batching import pad
from common.cli import UserError
from common.files import read_json
from common.spans import Span, find, find_folded, token_span, token_windows
from common.tokenizer import Tokenizer
from config import Config


@dataclass(frozen=True)
class Question:
    id: str
    question: str
    context: str
    answers: tuple[str, ...]  # as annotated; none where the file has no labels


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


# --- file -> questions


def read_questions(path: str | Path, labelled: bool = True) -> list[Question]:
    """The questions of a file, as `read_entries` has them by entry."""
    return [question for entry in read_entries(path, labelled) for question in entry]


def read_entries(path: str | Path, labelled: bool = True) -> list[list[Question]]:
    """The questions of each entry of a file's `data`; `labelled` ones must have answers. A number as an id is read as
    its digits.

    Raises UserError, naming the file and the place in it, for another form.
    """
    entries = []
    for i, entry in enumerate(_list(read_json(path), "data", path), start=1):
        entries.append([])
        for j, paragraph in enumerate(_list(entry, "paragraphs", f"{path}, entry {i}"), start=1):
            place = f"{path}, entry {i}, paragraph {j}"
            context = _string(paragraph, "context", place)
            for k, item in enumerate(_list(paragraph, "qas", place), start=1):
                entries[-1].append(_question(item, context, labelled, f"{place}, question {k}"))
    if not any(entries):
        raise UserError(f"{path}: no questions")
    return entries


def check_ids(questions: list[Question], path: str | Path) -> None:
    """Raises UserError where two questions have the same id: there is one answer for each."""
    for name, times in Counter(question.id for question in questions).items():
        if times > 1:
            raise UserError(f"{path}: {times} questions have the id {name!r}, expected one answer for each id")


def _question(item: Any, context: str, labelled: bool, place: str) -> Question:
    if isinstance(item, dict) and type(item.get("id")) is int:
        item = item | {"id": str(item["id"])}
    question, name = _string(item, "question", place), _string(item, "id", place)
    answers = _list(item, "answers", place) if labelled else []
    return Question(name, question, context, tuple(_string(answer, "text", f"{place}, answer") for answer in answers))


def _list(value: Any, key: str, place: str | Path) -> list:
    return _item(value, key, list, place)


def _string(value: Any, key: str, place: str) -> str:
    return _item(value, key, str, place)


def _item(value: Any, key: str, kind: type, place: str | Path) -> Any:
    if not isinstance(value, dict):
        raise UserError(f'{place}: expected a JSON object with "{key}"')
    if not isinstance(value.get(key), kind):
        raise UserError(f'{place}: "{key}" is missing or not a {"string" if kind is str else "list"}')
    return value[key]


# --- question -> features


def to_features(
    questions: Sequence[Question], tokenizer: Tokenizer, config: Config, counts: Counter
) -> Iterator[Features]:
    """Windows of the context, every `stride` tokens, each after the question; together at most `max_length` tokens. An
    answer is in every window that holds it.

    `counts` has what cannot be located. A question with answers none of which can be located has no features: its
    windows would teach that there is no answer in them.
    """
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


def locate(context: str, answer: str, counts: Counter) -> list[Span]:
    """All occurrences of an answer: as written and, only where there is none, ignoring case, width and white space.

    Offsets in the files are not looked at: those of DuReader-robust's dev file are all -1, and every occurrence of
    the string answers the question as far as the metric can tell.
    """
    counts["answers"] += 1
    if not answer.strip():
        counts["answers lost: empty"] += 1
        return []
    spans = find(context, answer)
    if not spans and (spans := find_folded(context, answer)):
        counts["answers found only by ignoring case, width or space"] += 1
    counts["answers lost: not in the context"] += not spans
    return spans


def _token_spans(question: Question, offsets: np.ndarray, counts: Counter) -> np.ndarray:
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


# --- features -> batch


def pair_batch(features: list[Features], _rng: np.random.Generator) -> tuple[dict, dict]:
    """Inputs and labels of the pair head: `answers` int32 [batch, a, 3] of (0, first, last), padded with -1; all
    occurrences of all answers are positives at once, and a window without one has none."""
    answers = [np.insert(feature.answers, 0, 0, axis=1) for feature in features]
    return model_inputs(features), {"answers": pad(answers, -1)}


def softmax_batch(features: list[Features], rng: np.random.Generator) -> tuple[dict, dict]:
    """Inputs and labels of the two softmaxes: `span` int32 [batch, 2], one of the answers drawn by `rng`, and [CLS]
    for a window without one."""
    spans = np.zeros((len(features), 2), np.int32)
    for span, feature in zip(spans, features, strict=True):
        if len(feature.answers):
            span[:] = feature.answers[rng.integers(len(feature.answers))]
    return model_inputs(features), {"span": spans}


def model_inputs(features: Iterable[Features]) -> dict[str, np.ndarray]:
    return batching.model_inputs(features) | {"segment_ids": pad([feature.segment_ids for feature in features])}


BATCHES = {"pair": pair_batch, "softmax": softmax_batch}
