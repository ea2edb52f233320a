import itertools
import json
import random

import pytest

from records import read_events
from scoring import exact_events, per_label, score


def record(*events, name="1"):
    """Return a record with events, each given as (type, [(role, string, alias, ...), ...]). Aliases may be left out."""
    return {
        "id": name,
        "event_list": [
            {"event_type": kind, "arguments": [{"role": r, "argument": s, "alias": list(a)} for r, s, *a in arguments]}
            for kind, arguments in events
        ],
    }


def scores(gold, predicted):
    return score([record(*gold)], [record(*predicted)])


@pytest.mark.parametrize("number", range(4))
def test_equals_the_shared_cases(number, shared):
    case = json.loads((shared / "scoring" / "duee_cases.json").read_text(encoding="utf-8"))[number]
    gold, predicted = (list(read_events(shared / "scoring" / case[key])) for key in ("gold", "pred"))
    assert score(gold, predicted) == case["expected"]


def test_case_does_not_count():
    assert scores([("A", [("r", "NBA总决赛")])], [("A", [("r", "nba总决赛")])])["f1"] == 1.0


def test_partly_shared_characters():
    # The strings of 5 and 6 characters share 4: 2 * 4 / 11. Only 3 are in the same order: 2 * 3 / 11.
    found = scores([("A", [("r", "天地玄黄宇")])], [("A", [("r", "地天玄黄洪荒")])])
    assert found == {"precision": 0.7273, "recall": 0.7273, "f1": 0.7273, "f1_lcs": 0.5455}
    # Characters are a multiset: only two of the three equal ones have a partner.
    assert scores([("A", [("r", "天天")])], [("A", [("r", "天天天")])])["f1"] == 0.8


def test_type_and_role_must_be_equal():
    gold = [("A", [("r", "天地")])]
    assert scores(gold, [("B", [("r", "天地")])])["f1"] == 0.0
    assert scores(gold, [("A", [("s", "天地")])])["f1"] == 0.0


def test_repeated_roles_and_strings_count_once_each():
    gold = [("A", [("r", "天"), ("r", "地")]), ("A", [("r", "天")])]
    assert scores(gold, [("A", [("r", "天")])]) == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "f1_lcs": 0.6667}
    assert scores(gold, [("A", [("r", "天"), ("r", "天"), ("r", "地")])])["f1"] == 1.0


def test_one_gold_argument_serves_one_prediction():
    # 天地 is paired with 天地 (1). Nothing is left for 天地人.
    found = scores([("A", [("r", "天地")])], [("A", [("r", "天地"), ("r", "天地人")])])
    assert (found["precision"], found["recall"]) == (0.5, 1.0)
    # A greedy choice starts with 甲乙丙丁 - 甲乙丙 (6 / 7), which leaves 0. The best sum is 2 / 5 + 4 / 5.
    found = scores([("A", [("r", "甲乙丙丁"), ("r", "甲乙")])], [("A", [("r", "甲乙丙"), ("r", "丁")])])
    assert found["precision"] == pytest.approx((2 / 5 + 4 / 5) / 2)


def test_the_best_form_of_a_gold_argument_counts():
    gold = [("A", [("r", "北京大学", "北大", "燕园")])]
    assert scores(gold, [("A", [("r", "北大")])])["f1"] == 1.0
    # The aliases of equal gold strings are joined. Those of predictions are not read.
    twice = [("A", [("r", "北京大学", "北大")]), ("A", [("r", "北京大学", "燕园")])]
    assert scores(twice, [("A", [("r", "燕园", "清华")])])["recall"] == 1.0
    assert scores([("A", [("r", "清华")])], [("A", [("r", "燕园", "清华")])])["recall"] == 0.0


def test_nothing_predicted_or_nothing_to_find():
    zero = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "f1_lcs": 0.0}
    assert scores([("A", [("r", "天")])], []) == zero
    assert scores([], [("A", [("r", "天")])]) == zero
    assert scores([("A", [])], [("A", [])]) == zero


def test_records_are_matched_by_id():
    gold = [record(("A", [("r", "天")]), name="1"), record(("A", [("r", "地")]), name="2")]
    predicted = [
        record(("A", [("r", "人")]), name="1"),
        record(("A", [("r", "天")]), name="1"),  # if an id is repeated, the last record counts
        record(("A", [("r", "天")]), name="3"),  # unknown
    ]
    assert score(gold, predicted) == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "f1_lcs": 0.6667}


@pytest.mark.parametrize("seed", range(20))
def test_assignment_equals_all_permutations(seed):
    rng = random.Random(seed)
    gold, predicted = ({"".join(rng.choices("甲乙丙丁", k=rng.randint(1, 4))) for _ in range(4)} for _ in range(2))

    def similarity(a, b):
        return 2 * sum(min(a.count(c), b.count(c)) for c in set(a)) / (len(a) + len(b))

    few, many = sorted((sorted(gold), sorted(predicted)), key=len)
    best = max(sum(map(similarity, few, chosen)) for chosen in itertools.permutations(many, len(few)))
    counts = per_label([record(("A", [("r", s) for s in gold]))], [record(("A", [("r", s) for s in predicted]))])
    assert counts["A", "r"].shared == pytest.approx(best)


def test_whole_events():
    gold = [record(("A", [("r", "天"), ("s", "地")]), ("A", [("r", "人")]), ("B", []))]
    predicted = [record(("A", [("s", "地"), ("r", "天")]), ("A", [("r", "人"), ("s", "地")]), ("B", []), ("B", []))]
    assert exact_events(gold, predicted) == {"precision": 0.6667, "recall": 0.6667, "f1": 0.6667}
    assert exact_events(gold, []) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
