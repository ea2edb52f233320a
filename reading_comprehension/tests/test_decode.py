from collections import Counter, defaultdict

import numpy as np
import pytest

from common.tokenizer import Tokenizer
from dataset import Features, read_questions, to_features
from decode import Candidates, band, best_spans, to_answers
from evaluate import evaluate


@pytest.mark.parametrize("seed", range(10))
def test_best_spans_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    length, width, n = int(rng.integers(1, 9)), int(rng.integers(1, 6)), 4
    scores, context = rng.normal(size=(length, length)), rng.random(length) < 0.8
    spans = [
        (i, j) for i in range(length) for j in range(i, min(i + width, length)) if context[i] and context[j]
    ]  # fmt: skip
    spans.sort(key=lambda span: -scores[span])
    found = best_spans(band(scores, width), context, width, n)
    assert list(map(tuple, found.spans.tolist())) == spans[:n]
    np.testing.assert_allclose(found.scores, [scores[span] for span in spans[:n]])
    if spans:
        np.testing.assert_allclose(found.log_total, np.log(sum(np.exp(scores[span]) for span in spans)))


def test_answers_of_overlapping_windows():
    def window(first, spans, scores, log_total):
        offsets = np.array([[0, 0], *([i, i + 1] for i in range(first, first + 4)), [0, 0]])
        feature = Features(0, np.zeros(6, int), np.zeros(6, int), offsets, np.zeros((0, 2), int))
        return feature, Candidates(np.array(spans), np.array(scores), log_total)

    windows = [window(0, [[1, 2], [4, 4]], [2.0, 1.0], 2.5), window(2, [[2, 2], [1, 1]], [3.0, 0.0], 3.1)]
    answers = to_answers("甲乙丙丁戊己", windows, 3)
    assert [(answer.text, answer.span) for answer in answers] == [("丁", (3, 4)), ("甲乙", (0, 2)), ("丙", (2, 3))]
    total = np.exp(2.5) + np.exp(3.1)
    np.testing.assert_allclose([a.probability for a in answers], np.exp([3.0, 2.0, 0.0]) / total)
    assert to_answers("", [window(0, np.zeros((0, 2), int), [], -np.inf)], 3) == []


def round_trip(questions, tokenizer, max_length=384, stride=256):
    """Gold -> features -> the labels as scores -> the best answer."""
    windows = defaultdict(list)
    for feature in to_features(questions, tokenizer, max_length, stride, 48, Counter()):
        scores = np.full((len(feature.token_ids),) * 2, -9.0)
        scores[tuple(feature.answers[:1].T)] = 9.0
        windows[feature.question].append((feature, best_spans(band(scores, 64), feature.offsets[:, 1] > 0, 64, 1)))
    answers = {question.id: to_answers(question.context, windows[i], 1) for i, question in enumerate(questions)}
    return evaluate(questions, {name: found[0].text if found else "" for name, found in answers.items()})


@pytest.mark.parametrize("vocabulary", ["published", "ours"])
def test_round_trip_of_the_official_dev_file(vocabulary, shared, tokenizer):
    if vocabulary == "published":
        tokenizer = Tokenizer.from_vocab(shared / "encoders" / "chinese_vocab_21128.txt")
    assert round_trip(read_questions(shared / "data/dureader_robust/dev.json"), tokenizer)["F1"] >= 99.5


def test_round_trip_of_the_demo_set(demo, tokenizer):
    assert round_trip(read_questions(demo / "dev.json"), tokenizer, 96, 24)["F1"] >= 99
