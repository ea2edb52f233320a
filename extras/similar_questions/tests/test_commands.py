"""The commands that use a run: generate, search, augment and evaluate."""

import io
import json
import sys
from typing import Any

import numpy as np
import pytest

import augment
import evaluate
import generate
import search
from common.testing.commands import REPOSITORY, write
from records import Row
from scoring import classification, novelty, retrieval, score_rows
from similar import bare


def records(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("how", [("--samples", 12), ("--beam", 8)], ids=["samples", "beams"])
def test_generated_questions_are_different_and_ranked(how, trained, call, capsys, monkeypatch):
    lines = "澍合手机怎么开机？\n\n　\n多少钱\n"
    options = ["--model", trained, "--output", "-", *how, "--n", 5]
    outputs = []
    for size in (1, 16):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        call(generate.main, "--input", "-", *options, "--batch-size", size)
        outputs.append(records(capsys.readouterr().out))
    assert outputs[0] == outputs[1]
    assert [record["text"] for record in outputs[0]] == ["澍合手机怎么开机？", "", "", "多少钱"]
    assert [len(record["similar"]) > 0 for record in outputs[0]] == [True, False, False, True]
    for record in outputs[0]:
        cosines = [found["similarity"] for found in record["similar"]]
        assert cosines == sorted(cosines, reverse=True)
        texts = {bare(found["text"]) for found in record["similar"]}
        assert len(texts) == len(cosines) <= 5
        assert bare(record["text"]) not in texts


@pytest.mark.parametrize("approximate", [[], ["--approximate"]], ids=["exact", "approximate"])
def test_search_finds_what_is_in_the_index(approximate, trained, call, tmp_path, capsys, monkeypatch):
    groups = records((trained.parent / "train.jsonl").read_text(encoding="utf-8"))
    questions = list(dict.fromkeys(question for group in groups for question in (group["text"], *group["synonyms"])))
    write(tmp_path, {"questions.txt": "\n\n".join(questions)})  # every other line is blank
    monkeypatch.setattr(search, "CHUNK", 50)
    call(search.main, "index", "--model", trained, "--input", tmp_path / "questions.txt",
         "--output", tmp_path / "index", *approximate)  # fmt: skip
    assert f"{len(questions)} questions" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "questions.txt"]
    call(search.main, "query", "--model", trained, "--index", tmp_path / "index", "--input",
         tmp_path / "questions.txt", "--k", 9)  # fmt: skip
    found = records(capsys.readouterr().out)
    assert [record["text"] for record in found[::2]] == questions
    assert all(record == {"text": "", "similar": []} for record in found[1::2])
    call(search.main, "query", "--model", trained, "--index", tmp_path / "index", "--text", "\udcff钱", "--k", 10**30)
    (odd,) = records(capsys.readouterr().out)
    assert odd["text"] == "\udcff钱"
    assert approximate or len(odd["similar"]) == len(questions)
    own = [
        any(similar["text"] == question and similar["line"] == 2 * i + 1 for similar in found[2 * i]["similar"])
        for i, question in enumerate(questions)
    ]
    assert np.mean(own) > 0.95


def test_augmented_questions_have_the_answers_of_their_own(trained, call, tmp_path):
    answers = [{"text": "深圳", "answer_start": 3}]
    squad: dict[str, Any] = {"version": 1, "data": [{"title": "t", "paragraphs": [
        {"context": "总部在深圳。", "qas": [
            {"question": "澍合手机怎么开机", "id": "a", "answers": answers},
            {"question": "多少钱", "id": 7, "answers": answers},
            {"question": "\ud800\u200b\U000e0001", "id": "b", "answers": []},  # no words
        ]},
        {"context": "无", "qas": []},
    ]}]}  # fmt: skip
    write(tmp_path, {"train.json": json.dumps(squad)})
    options = ["--model", trained, "--input", tmp_path / "train.json", "--samples", 8, "--k", 2]
    call(augment.main, *options, "--similarity", -1, "--output", tmp_path / "more.json")
    content = json.loads((tmp_path / "more.json").read_text(encoding="utf-8"))
    items = content["data"][0]["paragraphs"][0].pop("qas")
    ids = ["a", "a-similar-1", "a-similar-2", 7, "7-similar-1", "7-similar-2", "b"]
    assert [item["id"] for item in items] == ids
    assert len({item["question"] for item in items}) == 7
    assert all(item["answers"] == answers for item in items[:-1])
    call(augment.main, *options, "--similarity", 1, "--output", tmp_path / "same.json")
    assert json.loads((tmp_path / "same.json").read_text(encoding="utf-8")) == squad
    squad["data"][0]["paragraphs"][0].pop("qas")
    assert content == squad


@pytest.mark.parametrize(("how", "least"), [("--model", 0.7), ("--tfidf", 0.7), ("--encoder", 0)])
def test_evaluate_pairs(how, least, trained, call, tmp_path, capsys):
    groups = records((trained.parent / "dev.jsonl").read_text(encoding="utf-8"))
    rows = [(group["text"], group["synonyms"][0], 1) for group in groups]
    rows += [(one["text"], other["synonyms"][0], 0) for one, other in zip(groups, groups[1:], strict=False)]
    write(tmp_path, {"pairs.tsv": "".join("{}\t{}\t{}\n".format(*row) for row in rows)})
    names = {"--model": [trained], "--encoder": [REPOSITORY / "data" / "encoders" / "small"]}
    call(evaluate.main, "--pairs", tmp_path / "pairs.tsv", how, *names.get(how, []))
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["pairs", "auc", "accuracy", "threshold", "questions", "mrr", "recall@1", "recall@10"]
    assert (scores["pairs"], scores["questions"]) == (19, 20)
    assert least < scores["auc"] <= 1


def test_scores_of_an_example():
    cosines, similar = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])
    assert classification(cosines, similar) == {"pairs": 4, "auc": 0.75, "accuracy": 0.75, "threshold": 0.9}
    vectors = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1.0]])
    # The neighbours of question 0 are 1, 2, 3 in this order, those of question 3 are 2, 1, 0.
    found = retrieval(vectors, {0: {2}, 3: {2, 0}})
    assert found == {"questions": 2, "mrr": 0.75, "recall@1": 0.5, "recall@10": 1.0}
    # If cosines are equal, the similar question comes last.
    assert retrieval(np.ones((4, 1)), {0: {2}})["mrr"] == round(1 / 3, 4)
    rows = [Row("甲", "乙", True), Row("甲", "丙", False), Row("丁", "丁", True)]
    scores = score_rows(rows, ["甲", "乙", "丙", "丁"], vectors)
    assert (scores["pairs"], scores["auc"], scores["questions"]) == (3, 1.0, 2)


def test_novelty_of_an_example():
    scores = novelty([("甲", ["天地", "天地玄"]), ("乙", [])], {"天地"})
    assert scores == {"questions": 2, "generated": 2, "novel": 0.5, "distinct_2": round(2 / 3, 4), "distinct_3": 1.0}
