"""From records to spans of tokens, and back again."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

import pair
from common.tokenizer import Tokenizer
from dataset import Example, to_example, to_features
from decode import to_characters, to_record
from records import read_records, read_schema

RECORD: dict[str, Any] = {
    "text": "何川在何川 Air公司",
    "label": {"name": {"何川": [[0, 1], [3, 4]]}, "company": {"何川 Air公司": [[3, 10]]}},
}


def features_of(examples, tokenizer, labels, max_length=256, stride=128):
    counts: Counter[str] = Counter()
    return list(to_features(examples, tokenizer, labels, max_length, stride, counts)), counts


def round_trip(records, tokenizer, labels, **windows):
    features, _ = features_of([to_example(record) for record in records], tokenizer, labels, **windows)
    found: list[set] = [set() for _ in records]
    for feature in features:
        found[feature.example] |= to_characters(feature, feature.spans, labels)
    return [to_record({"text": r["text"]}, entities) for r, entities in zip(records, found, strict=True)]


def test_record_to_example():
    assert to_example(RECORD) == Example(
        RECORD["text"], frozenset({("name", (0, 2)), ("name", (3, 5)), ("company", (3, 11))})
    )


def test_example_to_features_and_batch(tokenizer, labels):
    features, counts = features_of([to_example(RECORD), Example("", frozenset())], tokenizer, labels)
    assert features[0].spans[1:].tolist() == [[2, 1, 2], [2, 4, 5]]
    assert features[0].spans[0].tolist() == [1, 4, len(features[0].token_ids) - 2]
    assert counts["entities"] == 3
    inputs, positives = pair.batch(features, np.random.default_rng(0), labels)
    assert inputs["token_ids"].shape == (2, len(features[0].token_ids))
    assert positives["spans"][0].tolist() == features[0].spans.tolist()
    assert (positives["spans"][1] == -1).all()


def test_what_is_lost_is_counted(tokenizer, labels):
    example = Example("何川 " + "天" * 20, frozenset({("name", (2, 3)), ("address", (0, 23))}))
    features, counts = features_of([example], tokenizer, labels, max_length=12, stride=6)
    assert not any(len(feature.spans) for feature in features)
    assert counts == {
        "entities": 2, "entities lost: no token in the span": 1, "spans lost: fit no window": 1,
        "spans not on token boundaries": 0,
    }  # fmt: skip


def test_what_touches_cls_or_sep_is_dropped(tokenizer, labels):
    (feature,), _ = features_of([Example("何川", frozenset())], tokenizer, labels)
    assert to_characters(feature, np.array([[2, 1, 2], [0, 0, 1], [1, 2, 3]]), labels) == {("name", (0, 2))}


@pytest.mark.parametrize("windows", [{}, {"max_length": 48, "stride": 8}])
def test_round_trip_of_the_demo_set(windows, demo, tokenizer):
    labels = read_schema(demo / "schema.json")
    records = list(read_records(demo / "train.json", labels=labels))
    assert round_trip(records, tokenizer, labels, **windows) == records


@pytest.mark.parametrize("vocabulary", ["published", "ours"])
def test_round_trip_of_the_official_dev_file(vocabulary, shared, demo, tokenizer):
    if vocabulary == "published":
        tokenizer = Tokenizer.from_vocab(shared / "encoders" / "chinese_vocab_21128.txt")
    labels = read_schema(demo / "schema.json")
    records = list(read_records(shared / "eval" / "ner_cluener2020" / "dev.jsonl", labels=labels))
    same = [ours["label"] == record["label"] for ours, record in zip(
        round_trip(records, tokenizer, labels), records, strict=True
    )]  # fmt: skip
    assert np.mean(same) >= 0.99
