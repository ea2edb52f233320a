"""Reading files of similar questions, and the batches made of them."""

from collections import Counter

import numpy as np
import pytest

from common.testing.commands import write
from dataset import Group, pair_batch, read_groups, split, to_features, tokenize
from records import read_rows


def groups_of(tmp_path, name, content):
    write(tmp_path, {name: content})
    counts: Counter[str] = Counter()
    return read_groups(tmp_path / name, counts), +counts


def test_groups_as_simbert_has_them(tmp_path):
    lines = '{"text": "怎么还款", "synonyms": ["如何还款", "怎么还款", " 还款方法 "]}\n'
    lines += '{"text": "你好", "synonyms": []}\n'
    groups, counts = groups_of(tmp_path, "a.jsonl", lines)
    assert [group.questions for group in groups] == [("怎么还款", "如何还款", "还款方法")]
    assert counts == {"questions left out: twice in a group": 1, "groups left out: one question": 1}


def test_rows_of_pairs_with_and_without_a_label(tmp_path):
    groups, counts = groups_of(tmp_path, "a.tsv", "怎么还款\t如何还款\t1\r\n怎么借款\t如何还款\t0\n甲\t乙\n")
    assert [group.questions for group in groups] == [("怎么还款", "如何还款"), ("甲", "乙")]
    assert counts == {"pairs left out: not similar": 1}
    assert [row.similar for row in read_rows(tmp_path / "a.tsv")] == [True, False, True]


def test_groups_that_share_a_question_are_one_family_and_on_one_side(tmp_path):
    rows = "".join(f"{i}甲\t{i}乙\n{i}乙\t{i}丙\n" for i in range(60))
    groups, _ = groups_of(tmp_path, "a.tsv", rows)
    families = {question: group.family for group in groups for question in group.questions}
    assert all(families[f"{i}甲"] == families[f"{i}丙"] for i in range(60))
    assert len(set(families.values())) == 60
    train, dev = split(groups)
    assert len(dev) == 2 * 60 / 20
    assert not {q for group in train for q in group.questions} & {q for group in dev for q in group.questions}


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_every_question_of_a_group_is_in_an_epoch(size, tokenizer):
    questions = tuple(f"第{i}个" for i in range(size))
    tokens = tokenize(questions, tokenizer, 30, Counter())
    features = to_features([Group(questions, 5)], tokens, np.random.default_rng(1))
    seen = Counter(tokenizer.decode(ids) for one in features for ids in (one.first, one.second))
    assert sorted(seen) == sorted(questions)
    assert seen.total() == size + size % 2
    assert all(not np.array_equal(one.first, one.second) for one in features)


def test_questions_are_cut_and_those_without_a_token_passed_over(tokenizer):
    counts: Counter[str] = Counter()
    tokens = tokenize(["怎么还款", "\u200b", "还款"], tokenizer, 3, counts)
    assert [len(ids) for ids in tokens.values()] == [3, 0, 2]
    assert counts == {"questions cut": 1, "questions without a token": 1}
    assert to_features([Group(("\u200b", "还款"), 0)], tokens, np.random.default_rng(0)) == []


def test_a_batch_has_both_directions(tokenizer):
    tokens = tokenize(["怎么还", "如何还款", "甲", "乙"], tokenizer, 30, Counter())
    features = to_features([Group(("怎么还", "如何还款"), 3), Group(("甲", "乙"), 8)], tokens, np.random.default_rng(0))
    inputs, targets = pair_batch(features, None, tokenizer)
    texts = [tokenizer.decode(row[row != 0]) for row in inputs["token_ids"].reshape(4, -1)]
    first, second = texts[0].removeprefix("[CLS]").removesuffix("[SEP]").split("[SEP]")
    assert texts[1] == f"[CLS]{second}[SEP]{first}[SEP]"
    np.testing.assert_array_equal(targets["families"], [3, 8])
    for row in np.ndindex(2, 2):
        ids, segments = inputs["token_ids"][row], inputs["segment_ids"][row]
        wanted = targets["tokens"][row]
        positions = inputs["positions"][row][wanted != 0]
        # The token after each position is the target.
        np.testing.assert_array_equal(ids[positions + 1], wanted[wanted != 0])
        np.testing.assert_array_equal(np.flatnonzero(segments), positions + 1)
        assert wanted[wanted != 0][-1] == tokenizer.sep_id
