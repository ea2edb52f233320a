from collections import Counter, defaultdict

import numpy as np
import pytest

from common.tokenizer import Tokenizer
from dataset import Features, to_features
from decode import Candidates, n_best_spans, to_answers
from model import HEADS
from records import read_questions
from scoring import score


@pytest.mark.parametrize("seed", range(10))
def test_best_spans_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    length, width, n = int(rng.integers(1, 9)), int(rng.integers(1, 6)), 4
    scores, context = rng.normal(size=(length, length)), rng.random(length) < 0.8
    spans = [
        (i, j) for i in range(length) for j in range(i, min(i + width, length)) if context[i] and context[j]
    ]  # fmt: skip
    spans.sort(key=lambda span: -scores[span])
    found = n_best_spans(scores, context, width, n)
    assert list(map(tuple, found.spans.tolist())) == spans[:n]
    np.testing.assert_allclose(found.scores, [scores[span] for span in spans[:n]])


def test_answers_of_overlapping_windows():
    def window(first, spans, scores):
        offsets = np.array([[0, 0], *([i, i + 1] for i in range(first, first + 4)), [0, 0]])
        feature = Features(0, np.zeros(6, int), np.zeros(6, int), offsets, np.zeros((0, 2), int))
        return feature, Candidates(np.array(spans), np.array(scores))

    windows = [window(0, [[1, 2], [4, 4]], [2.0, 1.0]), window(2, [[2, 2], [1, 1]], [3.0, 0.0])]
    answers = to_answers("甲乙丙丁戊己", windows, 3)
    assert [(answer.text, answer.span) for answer in answers] == [("丁", (3, 4)), ("甲乙", (0, 2)), ("丙", (2, 3))]
    np.testing.assert_allclose([a.probability for a in answers], np.exp([3.0, 2.0, 0.0]) / np.exp([3, 2, 0]).sum())
    assert to_answers("", [window(0, np.zeros((0, 2), int), [])], 3) == []
    (answer, _) = to_answers("甲甲丙丁", [window(0, [[2, 2], [1, 1], [3, 3]], [1.0, 1.0, 0.0])], 2)
    assert (answer.text, answer.span) == ("甲", (0, 1))


def round_trip(questions, tokenizer, config, head):
    """Decode what the head finds without mistakes. Return the score of the answers."""
    windows = defaultdict(list)
    for feature in to_features(questions, tokenizer, config, Counter()):
        if len(feature.answers):
            best = HEADS[head].perfect(feature, config.max_answer_tokens)
            windows[feature.question].append((feature, best))
    answers = {question.id: to_answers(question.context, windows[i], 1) for i, question in enumerate(questions)}
    return score(questions, {name: found[0].text if found else "" for name, found in answers.items()})


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("vocabulary", ["published", "ours"])
def test_round_trip_of_the_official_dev_file(vocabulary, head, shared, tokenizer, make_settings):
    if vocabulary == "published":
        tokenizer = Tokenizer.from_vocab(shared / "encoders" / "chinese_vocab_21128.txt")
    questions = read_questions(shared / "data/dureader_robust/dev.json")
    assert round_trip(questions, tokenizer, make_settings(), head)["F1"] >= 99.5


@pytest.mark.parametrize("head", HEADS)
def test_round_trip_of_the_demo_set(head, demo, tokenizer, make_settings):
    config = make_settings(max_length=96, stride=24, max_answer_tokens=21)
    assert round_trip(read_questions(demo / "dev.json"), tokenizer, config, head)["F1"] >= 99
