"""Scores how well vectors find similar questions and tell them from others, and how new generated questions are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score, roc_curve

from dataset import Group
from records import Row

BLOCK = 512  # questions that are compared with all others at a time
Vectors: TypeAlias = np.ndarray | sparse.csr_array  # [questions, size], rows of length 1


def retrieval(vectors: Vectors, similar: dict[int, set[int]]) -> dict[str, float]:
    """Score how well the similar questions of each question are found among all others.

    `similar` maps the number of a question, its row in `vectors`, to the numbers of its similar questions. For each of
    these questions, all others are ranked by their cosine with it. If cosines are equal, the similar question comes
    last.

    Returns:
        `questions` says how many questions have similar ones, `mrr` is the mean of 1 / the place of the first similar
        question, and `recall@k` is the share of the questions with a similar one in the first k places.
    """
    asked = sorted(similar)
    found: list[int] = []
    for first in range(0, len(asked), BLOCK):
        block = asked[first : first + BLOCK]
        products = vectors[block] @ vectors.T
        cosines = products if isinstance(products, np.ndarray) else products.toarray()
        for row, question in zip(cosines, block, strict=True):
            row[question] = -np.inf
            found.append(int((row >= row[list(similar[question])].max()).sum()))
    places = np.array(found)
    return {
        "questions": len(places),
        "mrr": round(float((1 / places).mean()), 4),
        "recall@1": round(float((places <= 1).mean()), 4),
        "recall@10": round(float((places <= 10).mean()), 4),
    }


def classification(cosines: np.ndarray, similar: np.ndarray) -> dict[str, float]:
    """Score how well cosines, float [pairs], tell which pairs are similar, bool [pairs].

    At least one pair has to be similar, and at least one not. Returns the number of `pairs`, `auc` (the area under the
    ROC curve), and the best `accuracy` with its `threshold`, which is chosen on these same pairs.
    """
    false, true, thresholds = roc_curve(similar, cosines, drop_intermediate=False)
    accuracies = (true * similar.sum() + (1 - false) * (~similar).sum()) / len(similar)
    best = accuracies.argmax()
    return {
        "pairs": len(similar),
        "auc": round(float(roc_auc_score(similar, cosines)), 4),
        "accuracy": round(float(accuracies[best]), 4),
        "threshold": round(float(min(thresholds[best], 1.0)), 4),
    }


def score_rows(rows: Sequence[Row], questions: list[str], vectors: Vectors) -> dict[str, float]:
    """Score the rows of a file by `classification` and `retrieval`.

    Args:
        rows: the pairs of the file.
        questions: the different questions in it.
        vectors: of these questions, [questions, size].

    Returns:
        The scores of both functions. Those of `classification` are missing if all pairs are similar or none is, and
        those of `retrieval` are missing if no two different questions are similar.
    """
    number = {question: i for i, question in enumerate(questions)}
    first = [number[row.first] for row in rows]
    second = [number[row.second] for row in rows]
    is_similar = np.array([row.similar for row in rows])
    scores: dict[str, float] = {}
    if 0 < is_similar.sum() < len(is_similar):
        scores |= classification((vectors[first] * vectors[second]).sum(-1), is_similar)
    similar = defaultdict(set)
    for row, one, other in zip(rows, first, second, strict=True):
        if row.similar and one != other:
            similar[one].add(other)
            similar[other].add(one)
    return scores | (retrieval(vectors, similar) if similar else {})


def score_groups(groups: Sequence[Group], questions: list[str], vectors: Vectors) -> dict[str, float]:
    """Score by `retrieval` how well the questions of each group find each other.

    Args:
        groups: the groups of similar questions.
        questions: the different questions in them.
        vectors: of these questions, [questions, size].

    Returns:
        `mrr` and `recall@k`.
    """
    number = {question: i for i, question in enumerate(questions)}
    similar: defaultdict[int, set[int]] = defaultdict(set)
    for group in groups:
        members = {number[question] for question in group.questions}
        for member in members:
            similar[member] |= members - {member}
    scores = retrieval(vectors, similar)
    return {name: scores[name] for name in scores if name != "questions"}


def novelty(generated: Iterable[tuple[str, Sequence[str]]], known: set[str]) -> dict[str, float]:
    """Score how new and varied the texts are that were generated for each question.

    Returns the number of `questions` and of `generated` texts. `novel` is the share of the texts that are not among the
    `known` questions. `distinct_2` and `distinct_3` are the numbers of different pairs and triples of characters, each
    divided by the number of all (distinct-n, arXiv 1510.03055).
    """
    asked = 0
    texts: list[str] = []
    for _, similar in generated:
        asked += 1
        texts += similar
    scores = {
        "questions": asked,
        "generated": len(texts),
        "novel": round(sum(text not in known for text in texts) / max(len(texts), 1), 4),
    }
    for n in (2, 3):
        grams = Counter(text[i : i + n] for text in texts for i in range(len(text) - n + 1))
        scores[f"distinct_{n}"] = round(len(grams) / max(grams.total(), 1), 4)
    return scores
