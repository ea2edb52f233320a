import json

import pytest

from records import Question, read_entries, read_predictions
from scoring import answer_f1, longest_common_run, normalise, score, tokens


@pytest.mark.parametrize("number", range(4))
def test_equals_the_official_script(number, shared):
    folder = shared / "scoring"
    case = json.loads((folder / "mrc_cases.json").read_text(encoding="utf-8"))[number]
    gold = read_entries(folder / case["gold"])[0]
    found = score(gold, read_predictions(folder / case["pred"]))
    assert found == {name: float(value) for name, value in case["expected"].items()}


def test_tokens():
    assert normalise("《Ab，C》（d）") == "abcd"
    assert tokens("2=3年 Ab，cd 的") == ["2", "=", "3", "年", " abcd ", "的"]
    assert tokens("，。") == []


@pytest.mark.parametrize(
    ("a", "b", "expected"), [("", "甲", 0), ("甲乙丙", "乙丙丁", 2), ("甲乙丙丁", "甲丙丁乙", 2), ("甲甲甲", "甲甲", 2)]
)
def test_longest_common_run(a, b, expected):
    assert longest_common_run(list(a), list(b)) == longest_common_run(list(b), list(a)) == expected


def test_f1_counts_neighbours_only():
    assert answer_f1("甲乙丙丁", "甲乙丁") == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert answer_f1("", "甲") == answer_f1("甲", "") == 0


def test_averages_and_skipped_questions():
    gold = [Question("1", "", "", ("三", "三次")), Question("2", "", "", ("北京",)), Question("3", "", "", ("",))]
    assert score(gold, {"1": "三次", "2": "北"}) == {"F1": 55.556, "EM": 33.333, "TOTAL": 3, "SKIP": 1}
    assert score([], {}) == {"F1": 0.0, "EM": 0.0, "TOTAL": 0, "SKIP": 0}
