"""Groups similar questions, pairs the questions, and makes batches of the pairs in both directions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.batching import pad_positives, pad_tokens
from common.cli import UserError
from common.tokenizer import Tokenizer
from records import Row, read_records

KEPT_OUT = 20  # without a dev file, one family in 20 is kept out of training for dev


@dataclass(frozen=True)
class Group:
    """Two or more questions that mean the same.

    Groups belong to the same family if they share a question, directly or through other groups.
    """

    questions: tuple[str, ...]
    family: int  # the number of its family


@dataclass(frozen=True)
class Features:
    """The tokens of two similar questions, without [CLS] and [SEP]."""

    first: np.ndarray  # int32 [n], not empty
    second: np.ndarray  # int32 [m], not empty
    family: int  # as in `Group`

    def __len__(self) -> int:
        return len(self.first) + len(self.second) + 3  # with [CLS] and two [SEP]


# --- files -> groups


def read_groups(path: str | Path, counts: Counter[str] | None = None) -> list[Group]:
    """Read the groups of similar questions in a file, see `records`. Each similar pair is a group.

    `counts` gets how many pairs, questions and groups were left out. Raises UserError if a line has another form, or if
    no two questions are similar.
    """
    counts = Counter() if counts is None else counts
    found: list[Sequence[str]] = []
    for _, record in read_records(path):
        if not isinstance(record, Row):
            found.append(record)
        elif record.similar:
            found.append(record[:2])
        else:
            counts["pairs left out: not similar"] += 1
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


def _families(groups: Sequence[tuple[str, ...]]) -> list[int]:
    """Return the family of each group: the connected component of its questions."""
    questions = dict.fromkeys(question for group in groups for question in group)
    numbers = {question: number for number, question in enumerate(questions)}
    edges = [(numbers[group[0]], numbers[question]) for group in groups for question in group]
    rows, columns = np.array(edges).T
    shape = (len(numbers), len(numbers))
    _, family = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape), directed=False)
    return family[[numbers[group[0]] for group in groups]].tolist()


def split(groups: list[Group]) -> tuple[list[Group], list[Group]]:
    """Split into (train, dev) by whole families, so that no question is in both."""
    train, dev = [], []
    for group in groups:
        if group.family % KEPT_OUT == KEPT_OUT - 1:
            dev.append(group)
        else:
            train.append(group)
    return train, dev


# --- groups -> features


def to_features(groups: Sequence[Group], tokens: dict[str, np.ndarray], rng: np.random.Generator) -> list[Features]:
    """Pair the questions of each group for an epoch.

    Each question of a group is in one pair. If their number is odd, one of them is in two pairs.

    Args:
        groups: the groups of similar questions.
        tokens: the tokens of each question, as `tokenize` returns them. Questions without a token are left out.
        rng: decides which questions are paired.
    """
    features: list[Features] = []
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
    """Return the tokens of each different question, int32 [n] without [CLS] and [SEP].

    Args:
        questions: texts, which may be repeated.
        tokenizer: cuts them into tokens.
        most: the most tokens of a question. The rest of a longer one is cut off.
        counts: gets how many questions are cut, and how many have no token.
    """
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
    """Make the inputs and targets of a batch, with each pair in both directions.

    A direction is the sequence [CLS] first [SEP] second [SEP]. The inputs are

    - `token_ids` and `segment_ids`, int32 [pairs, 2, length],
    - `positions`, int32 [pairs, 2, t]: where the next token is predicted, from the first [SEP] to the last token of
      the second question.

    The targets are

    - `tokens`, int32 [pairs, 2, t]: the token that comes next at each position,
    - `families`, int32 [pairs].

    Shorter rows are filled up with 0.
    """

    rows = [pair for one in features for pair in ((one.first, one.second), (one.second, one.first))]
    both = [_joined(first, second, tokenizer) for first, second in rows]
    segments = [np.repeat(np.array([0, 1], np.int32), [len(first) + 2, len(second) + 1]) for first, second in rows]
    positions = [np.arange(len(first) + 1, len(first) + len(second) + 2, dtype=np.int32) for first, second in rows]
    tokens = [np.append(second, np.int32(tokenizer.sep_id)) for _, second in rows]
    families = np.array([one.family for one in features], np.int32)
    chosen = pad_positives({"positions": positions, "tokens": tokens}, 0)
    arrays = {"token_ids": pad_tokens(both), "segment_ids": pad_tokens(segments)} | chosen
    inputs = {name: array.reshape(len(features), 2, -1) for name, array in arrays.items()}
    targets = {"tokens": inputs.pop("tokens"), "families": families}
    return inputs, targets


def _joined(first: np.ndarray, second: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    """Return the tokens of [CLS] first [SEP] second [SEP], int32."""
    sep = [tokenizer.sep_id]
    return np.concatenate([[tokenizer.cls_id], first, sep, second, sep], dtype=np.int32)


def question_inputs(tokens: Sequence[np.ndarray], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Return {"token_ids": int32 [questions, length]}, where a row is [CLS] question [SEP], filled up with 0.

    `tokens` has the tokens of each question, int32 [n].
    """
    rows = [np.concatenate([[tokenizer.cls_id], ids, [tokenizer.sep_id]], dtype=np.int32) for ids in tokens]
    return {"token_ids": pad_tokens(rows)}
