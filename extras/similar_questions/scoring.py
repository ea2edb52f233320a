"""How well vectors find similar questions and tell them from others, and how new and varied generated ones are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score, roc_curve

from dataset import Group, Row

BLOCK = 512  # questions compared with all at a time
Vectors = np.ndarray | sparse.csr_array  # [questions, size], rows of length 1


def retrieval(vectors: Vectors, similar: dict[int, set[int]]) -> dict[str, float]:
    """Each question that has similar ones is looked for among all others.

    similar: question -> its similar ones. mrr: mean of 1 / the place of the first of them. recall@k: share of the
    questions with one of them in the first k places. Of equal cosines the similar one comes last.
    """
    asked = sorted(similar)
    places = []
    for first in range(0, len(asked), BLOCK):
        block = asked[first : first + BLOCK]
        cosines = vectors[block] @ vectors.T
        cosines = cosines.toarray() if sparse.issparse(cosines) else cosines
        for row, question in zip(cosines, block, strict=True):
            row[question] = -np.inf
            places.append((row >= row[list(similar[question])].max()).sum())
    places = np.array(places)
    return {
        "questions": len(places),
        "mrr": round(float((1 / places).mean()), 4),
        **{f"recall@{k}": round(float((places <= k).mean()), 4) for k in (1, 10)},
    }


def classification(cosines: np.ndarray, similar: np.ndarray) -> dict[str, float]:
    """Of pairs, float [pairs] and bool [pairs] with both kinds: the area under the ROC curve, and the best accuracy
    with its threshold, chosen on these very pairs.
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
    """`retrieval` and `classification` of the rows of a file; `questions` are the different ones in it, with their
    `vectors`. What is not in the file (no similar pairs, or only such) has no scores.
    """
    number = {question: i for i, question in enumerate(questions)}
    first = [number[row.first] for row in rows]
    second = [number[row.second] for row in rows]
    is_similar = np.array([row.similar for row in rows])
    scores = {}
    if 0 < is_similar.sum() < len(is_similar):
        scores |= classification((vectors[first] * vectors[second]).sum(-1), is_similar)
    similar = defaultdict(set)
    for one, other in np.array([first, second]).T[is_similar].tolist():
        if one != other:
            similar[one].add(other)
            similar[other].add(one)
    return scores | (retrieval(vectors, similar) if similar else {})


def score_groups(groups: Sequence[Group], questions: list[str], vectors: Vectors) -> dict[str, float]:
    """`retrieval` of the questions of each group by each other, without their number."""
    number = {question: i for i, question in enumerate(questions)}
    similar = defaultdict(set)
    for group in groups:
        members = {number[question] for question in group.questions}
        for member in members:
            similar[member] |= members - {member}
    scores = retrieval(vectors, similar)
    return {name: scores[name] for name in scores if name != "questions"}


def novelty(generated: Iterable[tuple[str, Sequence[str]]], known: set[str]) -> dict[str, float]:
    """Of questions with what was generated for them: how many that are, the share of texts that are none of the `known`
    questions, and the shares of their different pairs and triples of characters among all (distinct-n,
    arXiv 1510.03055).
    """
    asked, texts = 0, []
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
