import numpy as np
import pytest

from baselines import mutual_information, simple
from common.cli import UserError
from joining import choose_threshold, contrast, join, joinable
from scoring import add, count_attachment, count_brackets, count_words, f1, without_marks
from sentences import to_sentence, tokens
from trees import left_branching, right_branching

# 妹妹 昨天 写 完 作业 。
HEADS = [3, 3, 0, 3, 3, 3]
MARKS = [False] * 5 + [True]


def test_words_as_sighan_counts_them():
    gold, ours = ["今天", "天气", "很", "好", "。"], ["今", "天", "天气", "很好", "。"]
    assert count_words(ours, gold) == (2, 5, 5)
    assert f1(2, 5, 5) == {"precision": 0.4, "recall": 0.4, "f1": 0.4}
    assert count_words(gold, gold) == (5, 5, 5)
    assert add([(1, 2, 3), (1, 1, 1)]) == (2, 3, 4)
    assert f1(*add([])) == {"precision": 0, "recall": 0, "f1": 0}


def test_brackets_without_marks_and_without_what_every_tree_has():
    heads = [2, 5, 2, 3, 0, 5]  # gold's brackets are 0-3, 2-3 and the whole sentence
    brackets = [(0, 6), (0, 4), (1, 4), (4, 6), (2, 4)]  # (4, 6) has only one word apart from the mark
    assert count_brackets((brackets, []), heads, MARKS) == (2, 3, 2)
    assert count_brackets(([], []), heads, MARKS) == (0, 0, 2)


def test_attachment_whatever_the_direction():
    chain = right_branching(6)[1]
    assert chain == [0, 1, 2, 3, 4, 5]
    assert count_attachment(HEADS, HEADS, MARKS) == (5, 5, 4, 4)
    assert count_attachment(chain, HEADS, MARKS) == (1, 5, 2, 4)  # the head of 完, and the edge 昨天-写 as well
    assert count_attachment(left_branching(6)[1], HEADS, MARKS) == (1, 5, 2, 4)


def test_what_hangs_on_a_mark_hangs_on_its_head():
    assert without_marks([2, 3, 0, 3], [False, True, True, False]) == {1: 0, 4: 0}
    assert without_marks([2, 4, 2, 0], [False, True, False, False]) == {1: 4, 3: 4, 4: 0}


# --- joining


def test_join_at_the_threshold_and_never_over_marks_and_spaces():
    sentence = to_sentence(["今天，", "天气3月"], tokens)
    scores = np.full(6, 2.0)
    assert join(sentence, scores, 2.0) == ["今天", "，", "天气3月"]
    assert join(sentence, scores, 2.1) == sentence.spans
    assert joinable(sentence).tolist() == [True, False, False, True, True, True]
    assert join(to_sentence([], tokens), np.zeros(0), 0.0) == []


@pytest.mark.parametrize("word_length", [1.3, 1.6, 2.5])
def test_the_threshold_gives_words_of_the_wished_length(word_length):
    rng = np.random.default_rng(0)
    sentences = [to_sentence(["天地玄黄，宇宙洪荒2009年"], tokens) for _ in range(200)]
    scored = [(sentence, rng.random(len(sentence.spans) - 1)) for sentence in sentences]
    threshold = choose_threshold(scored, word_length)
    words = [word for sentence, scores in scored for word in join(sentence, scores, threshold)]
    assert np.mean([len(word) for word in words]) == pytest.approx(word_length, abs=0.01)


def test_contrast():
    assert contrast(np.array([1.0, 4.0, 2.0, 2.0])).tolist() == [-1.5, 2.5, -1, 0]
    assert contrast(np.array([3.0])).tolist() == [0]
    assert contrast(np.zeros(0)).tolist() == []


def test_a_length_that_cannot_be():
    sentence = to_sentence(["天地，玄2009"], tokens)
    with pytest.raises(UserError, match=r"words cannot have 9 characters on average: .* allows 2.00 to 2.67"):
        choose_threshold([(sentence, np.ones(4))], 9.0)


# --- baselines


def test_simple_baselines():
    found = {name: segment("我们喜欢北京。") for name, segment in simple().items()}
    assert found == {
        "jieba": ["我们", "喜欢", "北京", "。"],
        "characters": list("我们喜欢北京。"),
        "pairs": ["我们", "喜欢", "北京", "。"],
    }


def test_mutual_information_joins_what_is_seldom_apart():
    words = ["葡萄", "蝴蝶", "的", "我", "在", "蜻蜓"]
    rng = np.random.default_rng(0)
    lines = ["".join(rng.choice(words, 8)) for _ in range(300)]
    length = sum(map(len, words)) / len(words)
    segment = mutual_information(lines, [to_sentence([line], tokens) for line in lines], length)["mutual_information"]
    assert segment("我的葡萄在蝴蝶的，蜻蜓") == ["我", "的", "葡萄", "在", "蝴蝶", "的", "，", "蜻蜓"]
