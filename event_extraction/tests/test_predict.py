import json
import random
from typing import cast

import numpy as np
import pytest

import extraction
from common.testing.prediction import PredictionTests
from common.testing.runs import read_records
from config import Config
from model import Extractor
from records import read_schema, record_faults, schema_faults

ODD_TEXTS = [
    "", " \t\u3000", "\r\n", "\ufeff", "字" * 10_000, "a" * 500, "😀👩\u200d👩\u200d👧🇨🇳何川",
    "何\x00川\x07\x1b[31m\x7f\x85\u2028\u2029去世", "\ud800何川\udfff", "e\u0301\u0323" * 50, "\u202e何川\u200f",
    '{"text": "何川", "event_list": []}', "何川去世", "何川去世",
]  # fmt: skip


@pytest.fixture(scope="module")
def inputs(demo, tmp_path_factory):
    """Write a file of 200 demo texts, cut to different lengths, and the odd texts, all in random order."""
    rng = random.Random(1)
    with (demo / "train.json").open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"][: rng.choice([3, 20, 1000])] for line in file][:200]
    records = [{"text": text, "id": f"id {i}"} for i, text in enumerate(ODD_TEXTS + texts)]
    rng.shuffle(records)
    path = tmp_path_factory.mktemp("inputs") / "test.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_one_prediction_for_every_input_in_order(trained, inputs, submission):
    records, predictions = read_records(inputs), read_records(submission)
    assert [record["id"] for record in predictions] == [record["id"] for record in records]
    schema = read_schema(trained / "schema.json")
    found = 0
    for record, prediction in zip(records, predictions, strict=True):
        assert prediction.keys() == {"id", "event_list"}
        assert not list(record_faults(prediction, "id", "event_list"))
        assert not list(schema_faults(prediction, schema))
        for event in prediction["event_list"]:
            assert event.keys() == {"event_type", "arguments"}
            strings = [(argument["role"], argument["argument"]) for argument in event["arguments"]]
            assert len(set(strings)) == len(strings)
            assert all(string and string in record["text"] for _, string in strings)
            found += len(strings)
    assert found > 20


class TestPrediction(PredictionTests):
    records = 214


def test_reads_no_further_than_it_must(tokenizer, labels, monkeypatch):
    """However large a file is, only one chunk of it is in memory."""
    taken = 0

    def records():
        nonlocal taken
        for i in range(20):
            taken += 1
            yield {"id": str(i), "text": f"第{i}句"}

    def extractor(features):
        return [(np.zeros((0, 3), int), np.zeros((0, 5), int)) for _ in features]

    config = Config(train_file="", dev_file="", schema_file="", encoder="", max_length=16, stride=8)
    monkeypatch.setattr(extraction, "CHUNK", 6)
    predictions = extraction.predict(records(), cast(Extractor, extractor), tokenizer, labels, config)
    assert taken == 0
    for number, record in enumerate(predictions):
        assert record == {"id": str(number), "event_list": []}
        assert taken == min(6 * (number // 6 + 1), 20)
    assert number == 19
