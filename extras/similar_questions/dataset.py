"""Files of groups or pairs -> pairs of similar questions -> features -> batches of both directions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.batching import pad
from common.cli import UserError
from common.files import read_jsonl, read_lines
from common.tokenizer import Tokenizer

KEPT_OUT = 20  # one family in so many is one of dev where there is no dev file


class Row(NamedTuple):
    """A line of a .tsv file."""

    first: str
    second: str
    similar: bool


@dataclass(frozen=True)
class Group:
    """Questions that mean the same, two or more. Groups that share a question, even by way of others, are of one
    family.
    """

    questions: tuple[str, ...]
    family: int


@dataclass(frozen=True)
class Features:
    """The tokens of a pair, each without [CLS] and [SEP]: int32 [n] and [m], neither empty."""

    first: np.ndarray
    second: np.ndarray
    family: int

    def __len__(self) -> int:
        return len(self.first) + len(self.second) + 3


# --- files -> groups


def read_groups(path: str | Path, counts: Counter[str] | None = None) -> list[Group]:
    """Read the groups of a file.

    Its lines are JSON as SimBERT's, {"text": question, "synonyms": [question, ...]}. If its name ends in .tsv, its
    groups are the similar ones of the pairs that `read_rows` finds. `counts` gets what is left out. Raises UserError,
    naming the file and the line, for another form.
    """
    counts = Counter() if counts is None else counts
    if str(path).endswith(".tsv"):
        rows = list(read_rows(path))
        counts["pairs left out: not similar"] += sum(not row.similar for row in rows)
        found: Iterable[list[str]] = ([row.first, row.second] for row in rows if row.similar)
    else:
        found = _read_synonyms(path)
    groups = []
    for questions in found:
        different = tuple(dict.fromkeys(questions))
        counts["questions left out: twice in a group"] += len(questions) - len(different)
        if len(different) > 1:
            groups.append(different)
        else:
            counts["groups left out: one question"] += 1
    if not groups:
        raise UserError(f"{path}: no two similar questions")
    return [Group(questions, family) for questions, family in zip(groups, _families(groups), strict=True)]


def read_rows(path: str | Path) -> Iterator[Row]:
    """Two questions a line with a tab between them, and perhaps a third column: 1 if they are similar, which is so
    without it, or 0. Raises UserError for another line.
    """
    for number, line in read_lines(path):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) not in (2, 3) or not all(columns) or columns[2:] not in ([], ["0"], ["1"]):
            raise UserError(
                f"{path}, line {number}: expected two questions and, or not, 0 or 1, with tabs between them"
            )
        yield Row(columns[0], columns[1], columns[2:] != ["0"])


def _read_synonyms(path: str | Path) -> Iterator[list[str]]:
    for number, record in read_jsonl(path):
        match record:
            case {"text": str(text), "synonyms": [*synonyms]} if all(isinstance(other, str) for other in synonyms):
                questions = [question.strip() for question in (text, *synonyms)]
            case _:
                raise UserError(f'{path}, line {number}: expected {{"text": question, "synonyms": [question, ...]}}')
        if not all(questions):
            raise UserError(f"{path}, line {number}: a blank question")
        yield questions


def _families(groups: Sequence[tuple[str, ...]]) -> list[int]:
    """The connected component of each group."""
    questions = dict.fromkeys(question for group in groups for question in group)
    numbers = {question: number for number, question in enumerate(questions)}
    edges = [(numbers[group[0]], numbers[question]) for group in groups for question in group]
    rows, columns = np.array(edges).T
    shape = (len(numbers), len(numbers))
    _, family = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape), directed=False)
    return family[[numbers[group[0]] for group in groups]].tolist()


def split(groups: list[Group]) -> tuple[list[Group], list[Group]]:
    """Split into (train, dev) by whole families, so that no question of dev is one of train."""
    train, dev = [], []
    for group in groups:
        if group.family % KEPT_OUT == KEPT_OUT - 1:
            dev.append(group)
        else:
            train.append(group)
    return train, dev


# --- groups -> features


def to_features(groups: Sequence[Group], tokens: dict[str, np.ndarray], rng: np.random.Generator) -> list[Features]:
    """The pairs of an epoch: each question of a group is in one of them, in a group of an odd number one is in two.

    tokens: of each question, as `tokenize` gives them; a group's questions without any are passed over.
    """
    features = []
    for group in groups:
        questions = [tokens[question] for question in group.questions if len(tokens[question])]
        questions = [questions[i] for i in rng.permutation(len(questions))]
        if len(questions) > 1:
            if len(questions) % 2:
                questions.append(questions[0])
            pairs = zip(questions[::2], questions[1::2], strict=True)
            features += [Features(first, second, group.family) for first, second in pairs]
    return features


def tokenize(
    questions: Iterable[str], tokenizer: Tokenizer, most: int, counts: Counter[str] | None = None
) -> dict[str, np.ndarray]:
    """Give each question its first `most` tokens, int32 [n]. `counts` gets how many are cut or have none."""
    counts = Counter() if counts is None else counts
    different = list(dict.fromkeys(questions))
    tokens = {}
    for question, encoding in zip(different, tokenizer.encode(different), strict=True):
        counts["questions cut"] += len(encoding.ids) > most
        counts["questions without a token"] += not len(encoding.ids)
        tokens[question] = encoding.ids[:most]
    return tokens


# --- features -> batch


def pair_batch(features: list[Features], _rng: np.random.Generator | None, tokenizer: Tokenizer) -> tuple[dict, dict]:
    """Make the inputs and targets of a batch, of each pair in both directions.

    The inputs are `token_ids` and `segment_ids` int32 [pairs, 2, length], of [CLS] first [SEP] second [SEP], and
    `positions` int32 [pairs, 2, t] of what says which token comes next. The targets are `tokens` int32 [pairs, 2, t],
    these next tokens, 0 where there are fewer, and `families` int32 [pairs].
    """

    def padded(arrays: list[np.ndarray]) -> np.ndarray:
        return pad(arrays).reshape(len(features), 2, -1)

    rows = [pair for one in features for pair in ((one.first, one.second), (one.second, one.first))]
    both = [_joined(first, second, tokenizer) for first, second in rows]
    segments = [np.repeat(np.int32([0, 1]), [len(first) + 2, len(second) + 1]) for first, second in rows]
    positions = [np.arange(len(first) + 1, len(first) + len(second) + 2, dtype=np.int32) for first, second in rows]
    tokens = [np.append(second, np.int32(tokenizer.sep_id)) for _, second in rows]
    families = np.array([one.family for one in features], np.int32)
    inputs = {"token_ids": padded(both), "segment_ids": padded(segments), "positions": padded(positions)}
    return inputs, {"tokens": padded(tokens), "families": families}


def _joined(first: np.ndarray, second: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    sep = [tokenizer.sep_id]
    return np.concatenate([[tokenizer.cls_id], first, sep, second, sep], dtype=np.int32)


def question_inputs(tokens: Sequence[np.ndarray], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """{"token_ids": int32 [questions, length]}: [CLS] question [SEP]."""
    cls, sep = np.int32([tokenizer.cls_id]), np.int32([tokenizer.sep_id])
    return {"token_ids": pad([np.concatenate([cls, ids, sep]) for ids in tokens])}
