import json
from collections import Counter

import numpy as np
import pytest

import pair
import softmax
from common.cli import UserError
from dataset import locate, to_features
from records import Question, check_ids, read_entries, read_questions


def file_of(tmp_path, *entries):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"data": entries}, ensure_ascii=False), encoding="utf-8")
    return path


def entry(question="谁", context="何川来了", **changes):
    item = {"question": question, "id": "1", "answers": [{"text": "何川", "answer_start": 0}]} | changes
    return {"paragraphs": [{"context": context, "qas": [item]}]}


def test_reads_all_entries_or_the_first(tmp_path):
    path = file_of(tmp_path, entry(), entry(id=2, answers=[{"text": "何"}, {"text": "川"}]))
    assert read_questions(path) == [
        Question("1", "谁", "何川来了", ("何川",)), Question("2", "谁", "何川来了", ("何", "川")),
    ]  # fmt: skip
    assert len(read_entries(path)[0]) == 1


def test_finds_all_occurrences_and_counts_what_is_lost():
    counts: Counter[str] = Counter()
    assert locate("三次,三", "三", counts) == [(0, 1), (3, 4)]
    assert locate("在 ＮＢＡ 打球", "nba", counts) == [(2, 5)]
    assert locate("何川", "江月", counts) == locate("何川", " ", counts) == []
    assert counts == {
        "answers": 4, "answers lost: empty": 1, "answers lost: not in the context": 1,
        "answers found only by ignoring case, width or space": 1,
    }  # fmt: skip


def test_windows(tokenizer, make_settings):
    question = Question("1", "谁来了啊", "天" * 20 + "何川", ("何川", "天天"))
    config = make_settings(max_length=16, stride=6, max_question_length=3, max_answer_tokens=2)
    counts: Counter[str] = Counter()
    features = list(to_features([question], tokenizer, config, counts))
    assert [feature.question for feature in features] == [0] * len(features)
    covered = set()
    for feature in features:
        assert len(feature.token_ids) == len(feature.segment_ids) == len(feature.offsets) <= 16
        assert feature.token_ids[[0, 4, -1]].tolist() == [tokenizer.cls_id, tokenizer.sep_id, tokenizer.sep_id]
        assert feature.segment_ids.tolist() == [0] * 5 + [1] * (len(feature.segment_ids) - 5)
        assert (feature.offsets[:5] == 0).all()
        covered |= set(feature.offsets[5:-1, 0].tolist())
        for first, last in feature.answers:
            assert question.context[feature.offsets[first, 0] : feature.offsets[last, 1]] in question.answers
    assert covered == set(range(22))
    assert any(question.context[f.offsets[a, 0] :] == "何川" for f in features for a, _ in f.answers)
    assert counts["questions cut"] == 1


def test_batches(tokenizer, make_settings):
    questions = [Question("1", "谁", "何川和何川", ("何川",)), Question("2", "谁", "", ())]
    features = list(to_features(questions, tokenizer, make_settings(), Counter()))
    inputs, targets = pair.batch(features, np.random.default_rng(0))
    assert inputs["token_ids"].shape == inputs["segment_ids"].shape == (2, 9)
    assert targets["answers"].tolist() == [[[0, 3, 4], [0, 6, 7]], [[-1] * 3, [-1] * 3]]
    drawn = {tuple(softmax.batch(features, np.random.default_rng(seed))[1]["span"][0]) for seed in range(20)}
    assert drawn == {(3, 4), (6, 7)}
    assert softmax.batch(features, np.random.default_rng(0))[1]["span"][1].tolist() == [0, 0]


def test_counts_what_cannot_be_learnt(tokenizer, make_settings):
    questions = [
        Question("1", "谁", "何川", ("江月", " ")),  # not in the context
        Question("2", "谁", "何\u200b川", ("\u200b",)),  # no token covers it
        Question("3", "谁", "天地玄黄", ("天地玄",)),  # longer than any answer that is decoded
        Question("4", "谁", "何川", ()),
    ]
    counts: Counter[str] = Counter()
    features = list(to_features(questions, tokenizer, make_settings(max_answer_tokens=2), counts))
    assert [feature.question for feature in features] == [2, 3]
    assert +counts == {
        "answers": 4, "answers lost: empty": 1, "answers lost: not in the context": 1,
        "answer spans lost: no token in them": 1, "questions left out: no answer located": 2,
        "answer spans of more than max_answer_tokens": 1,
    }  # fmt: skip


def test_repeated_ids_are_refused():
    question = Question("7", "谁", "何川", ())
    check_ids([question, Question("8", "谁", "何川", ())], "dev.json")
    with pytest.raises(UserError, match="dev.json: 2 questions have the id '7'"):
        check_ids([question, question], "dev.json")
