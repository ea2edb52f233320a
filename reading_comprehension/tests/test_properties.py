"""Properties that hold for any questions: gold spans decode to gold answers, and the scores behave like a metric."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.testing.texts import TEXT, parts
from dataset import locate, to_features
from decode import n_best_spans, to_answers
from records import Question
from scoring import answer_f1, normalise, question_scores, score, tokens


@given(parts(least=3, most=9), st.data())
def test_what_scores_as_gold_is_decoded_to_gold(make_settings, tokenizer, strings, data):
    """This also holds for a context that is cut into windows."""
    config = make_settings(max_length=24, stride=8, max_question_length=4, max_answer_tokens=8)
    answer, context = data.draw(st.sampled_from(strings)), "，".join(strings)
    features = list(to_features([Question("1", "什么", context, (answer,))], tokenizer, config, Counter()))
    windows = []
    for feature in features:
        matrix = np.zeros((len(feature.token_ids), len(feature.token_ids)))
        matrix[tuple(feature.answers.T)] = 1
        inside = feature.offsets[:, 1] > 0
        windows.append((feature, n_best_spans(matrix, inside, config.max_answer_tokens, 3)))
    (best, *_) = to_answers(context, windows, 3)
    assert best.text == answer
    assert context[slice(*best.span)] == answer
    assert question_scores([answer], best.text)[1]


ANSWERS = st.sampled_from(["何", "何川", "何，川", "AB何", "ab 何", "=", "。", "", "İ", "𠀀", "\ud800"]) | TEXT


@given(st.dictionaries(st.sampled_from("12345"), st.lists(ANSWERS, max_size=3), min_size=1),
       st.dictionaries(st.sampled_from("12346"), ANSWERS), st.randoms(use_true_random=False))  # fmt: skip
def test_scores_of_any_answers(gold, predictions, random):
    questions = [Question(name, "", "", tuple(answers)) for name, answers in gold.items()]
    scores = score(questions, predictions)
    assert 0 <= scores["F1"] <= 100
    assert 0 <= scores["EM"] <= 100
    assert scores["SKIP"] == len(gold.keys() - predictions.keys())
    shuffled = [replace(question, answers=random.sample(question.answers, len(question.answers)))
                for question in random.sample(questions, len(questions))]  # fmt: skip
    assert score(shuffled, predictions) == pytest.approx(scores, abs=1.1e-3)  # sums in another order, rounded
    answered = [question for question in questions if question.answers]
    exact = {question.id: question.answers[0] for question in answered}
    assert score(answered, exact)["EM"] == (100 if exact else 0)


@given(ANSWERS, ANSWERS)
def test_f1_of_two_answers(one, other):
    f1 = answer_f1(one, other)
    assert 0 <= f1 <= 1
    assert f1 == pytest.approx(answer_f1(other, one))
    assert (f1 == 1) == (tokens(one) == tokens(other) != [])
    assert "".join(tokens(one)) == normalise(one)


@given(TEXT, TEXT)
def test_what_is_located_is_in_the_context(context, answer):
    for start, end in locate(context, answer, Counter()):
        assert 0 <= start < end <= len(context)
    if answer.strip():
        assert locate(f"{context}{answer}", answer, Counter())
