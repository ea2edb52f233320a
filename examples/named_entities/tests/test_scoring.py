import random

import pytest

from records import read_records
from scoring import per_label, score

# 0 何川 2 在 3 何川 5 公 司 7 见 8 江月
TEXT = "何川在何川公司见江月"
GOLD = {"name": {"何川": [[0, 1]], "江月": [[8, 9]]}, "company": {"何川公司": [[3, 6]]}}


def scores(gold, predicted):
    return score([{"text": TEXT, "label": gold}], [{"text": TEXT, "label": predicted}])


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        (GOLD, (1, 1, 1, 1)),
        ({}, (0, 0, 0, 0)),
        # name: 1 of 2 strings, F1 2/3; company: none
        ({"name": {"江月": [[8, 9]]}}, (1, 0.3333, 0.5, 0.3333)),
        # 何川 at another place: wrong as an entity, right as a string
        (GOLD | {"name": {"何川": [[3, 4]], "江月": [[8, 9]]}}, (0.6667, 0.6667, 0.6667, 1)),
        # 何川 at both places: one entity too many, no string
        (GOLD | {"name": {"何川": [[0, 1], [3, 4]], "江月": [[8, 9]]}}, (0.75, 1, 0.8571, 1)),
        # the right characters with another label; the mean leaves out a label that gold does not have
        ({"name": {"何川": [[0, 1]], "何川公司": [[3, 6]]}, "scene": {"江月": [[8, 9]]}}, (*[0.3333] * 3, 0.25)),
        # another boundary: name 2 of 2 and company 0 of 1
        ({"name": GOLD["name"], "company": {"公司": [[5, 6]]}}, (0.6667, 0.6667, 0.6667, 0.5)),
    ],
)
def test_literal_cases(predicted, expected):
    assert tuple(scores(GOLD, predicted).values()) == expected


def test_counts_are_summed_over_the_texts_before_a_label_is_scored():
    gold = [{"text": "a", "label": {"name": {"a": [[0, 0]]}}}, {"text": "b", "label": {"name": {"b": [[0, 0]]}}}]
    found = [gold[0], {"text": "b", "label": {}}, {"text": "c", "label": {"name": {"c": [[0, 0]]}}}]  # c is not in gold
    assert score(gold, found) == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "macro_f1": 0.6667}
    assert score(gold, found[:1]) == score(gold, found)  # a text without a prediction counts
    assert score([], []) == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}


def test_labels_by_support():
    counts = per_label([{"text": TEXT, "label": GOLD}], [{"text": TEXT, "label": {"scene": {"江月": [[8, 9]]}}}])
    assert list(counts) == ["name", "company", "scene"]
    assert counts["name"].scores() == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "string_f1": 0.0}


def test_equals_the_definition_on_damaged_gold(demo):
    rng = random.Random(3)
    gold = list(read_records(demo / "dev.json"))
    predicted = []
    for record in gold:
        label = {}
        for name, strings in record["label"].items():
            some = rng.sample(sorted(strings.items()), rng.randint(0, len(strings)))
            label[rng.choice([name, "name"])] = dict(some)
        predicted.append({"text": record["text"], "label": label})
    of_labels = []
    for name in sorted({name for record in gold for name in record["label"]}):
        pairs = [(a["label"].get(name, {}).keys(), b["label"].get(name, {}).keys())
                 for a, b in zip(gold, predicted, strict=True)]  # fmt: skip
        right = sum(len(a & b) for a, b in pairs)
        of_labels.append(2 * right / (sum(len(a) for a, _ in pairs) + sum(len(b) for _, b in pairs)))
    assert 0.2 < score(gold, predicted)["macro_f1"] == round(sum(of_labels) / 10, 4) < 0.9
