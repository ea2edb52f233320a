from collections import Counter

import numpy as np
import pytest

import crf
import pair
from dataset import Event, Example, Features, to_example, to_features
from records import TRIGGER, Labels

TEXT = "何川胜江月,江月曾胜 何川"
RECORD = {
    "text": TEXT,
    "id": "1",
    "event_list": [
        {
            "event_type": "竞赛行为-胜负", "trigger": "胜", "trigger_start_index": 2, "class": "竞赛行为",
            "arguments": [
                {"role": "胜者", "argument": "何川", "argument_start_index": 0, "alias": []},
                {"role": "败者", "argument": "江月", "argument_start_index": 3, "alias": []},
            ],
        },
        {
            "event_type": "竞赛行为-胜负", "trigger": "胜", "trigger_start_index": 9, "class": "竞赛行为",
            "arguments": [
                {"role": "胜者", "argument": "江月", "argument_start_index": 6, "alias": []},
                {"role": "败者", "argument": "何川", "argument_start_index": 11, "alias": []},
            ],
        },
    ],
}  # fmt: skip


def features_of(examples, tokenizer, labels, max_length=256, stride=128):
    counts: Counter[str] = Counter()
    return list(to_features(examples, tokenizer, labels, max_length, stride, counts)), counts


def test_labels(labels):
    assert len(labels) == 9
    assert labels.names[:3] == [("人生-死亡", TRIGGER), ("人生-死亡", "时间"), ("人生-死亡", "死者")]
    assert labels.trigger.tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    assert labels.arguments == [1, 2, 4, 5, 7, 8]


def test_record_to_example():
    example = to_example(RECORD)
    assert example.events[1] == Event("竞赛行为-胜负", (9, 10), frozenset({("胜者", (6, 8)), ("败者", (11, 13))}))


def test_example_to_features(tokenizer, labels):
    (feature,), counts = features_of([to_example(RECORD)], tokenizer, labels)
    assert len(feature.token_ids) == 2 + 12  # white space is no token
    assert feature.spans.tolist() == [
        [3, 3, 3], [3, 10, 10],
        [4, 1, 2], [4, 7, 8],
        [5, 4, 5], [5, 11, 12],
    ]  # fmt: skip
    assert feature.links.tolist() == [
        [4, 3, 3, 1, 2], [4, 10, 10, 7, 8],
        [5, 3, 3, 4, 5], [5, 10, 10, 11, 12],
    ]  # fmt: skip
    assert counts["events"] == 2
    assert counts["arguments"] == 4
    assert not counts["spans not on token boundaries"]


def test_windows_and_what_they_lose(tokenizer, labels):
    example = Example("胜" + "天" * 20 + "何川", (Event("竞赛行为-胜负", (0, 1), frozenset({("胜者", (21, 23))})),))
    features, counts = features_of([example], tokenizer, labels, max_length=12, stride=6)
    assert [len(feature.spans) for feature in features] == [1, 0, 0, 1]
    assert sum(len(feature.links) for feature in features) == 0
    assert counts["links lost: fit no window"] == 1
    assert counts["spans lost: fit no window"] == 0
    last = features[-1]
    _, first, end = last.spans[0]
    assert last.offsets[[first, end]].tolist() == [[21, 22], [22, 23]]


def test_a_span_without_a_token_is_counted(tokenizer, labels):
    example = Example("何川 ", (Event("竞赛行为-胜负", (2, 3), frozenset({("胜者", (0, 2))})),))
    (feature,), counts = features_of([example], tokenizer, labels)
    assert feature.spans.tolist() == [[4, 1, 2]]
    assert feature.links.shape == (0, 5)
    assert counts["triggers lost: no token in the span"] == 1


def test_pair_batch(tokenizer, labels):
    features, _ = features_of([to_example(RECORD), Example("", ())], tokenizer, labels)
    inputs, positives = pair.batch(features, np.random.default_rng(0), labels)
    assert inputs["token_ids"].shape == (2, 14)
    assert positives["spans"][0].tolist() == features[0].spans.tolist()
    assert positives["starts"][0].tolist() == [[4, 3, 1], [4, 10, 7], [5, 3, 4], [5, 10, 11]]
    assert positives["ends"][0].tolist() == [[4, 3, 2], [4, 10, 8], [5, 3, 5], [5, 10, 12]]
    assert (positives["spans"][1] == -1).all()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([[1, 1, 2], [8, 4, 4]], [0, 1, 2, 0, 11, 0]),
        ([[0, 1, 1], [3, 2, 3]], [0, 0, 0, 0, 0, 0]),  # triggers have no tag
        ([[1, 1, 2], [2, 2, 4]], [0, 1, 2, 0, 0, 0]),  # if they overlap, the first is kept
        ([[1, 1, 2], [2, 1, 3]], [0, 3, 4, 4, 0, 0]),  # if they start together, the longest is kept
    ],
)
def test_tags(spans, expected, labels):
    feature = Features(0, np.zeros(6, np.int32), np.zeros((6, 2), np.int32), np.array(spans), np.zeros((0, 5), int))
    assert crf.token_tags(feature, labels).tolist() == expected
    arguments = [label for label, _, _ in spans if label in labels.arguments]
    assert sum(crf.count_lost([feature], labels).values()) == len(arguments) - sum(tag % 2 for tag in expected)
    _, batch = crf.batch([feature], np.random.default_rng(0), labels)
    assert batch["tags"].tolist() == [expected]


def test_labels_of_one_type_without_roles():
    assert len(Labels({"A": ()})) == 1
