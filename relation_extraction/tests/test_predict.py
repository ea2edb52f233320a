import json
import random
from typing import Any

import numpy as np
import pytest

import extraction
from common.inference import Engine
from common.testing.prediction import PredictionTests
from common.testing.runs import read_records
from common.thresholds import Thresholds
from config import Config
from records import record_faults, schema_faults
from schema import read_schema

ODD_TEXTS = [
    "",
    " \t\u3000",
    "\r\n",
    "\ufeff",
    "字" * 10_000,
    "a" * 500,
    "😀👩\u200d👩\u200d👧🇨🇳何川",
    "何\x00川\x07\x1b[31m\x7f\x85\u2028\u2029导演",
    "\ud800何川\udfff",
    "e\u0301\u0323" * 50,
    "\u202e何川\u200f",
    '{"text": "何川", "spo_list": []}',
    "何川导演了《海风》",
    "何川导演了《海风》",
    "",
]


@pytest.fixture(scope="module")
def inputs(demo, tmp_path_factory):
    """Write 300 lines of the demo set, cut to mixed lengths, and the odd texts, all in random order."""
    rng = random.Random(1)
    records: list[dict[str, Any]] = [{"text": text} for text in ODD_TEXTS]
    with (demo / "train.json").open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file][:300]
    records += [{"text": text[: rng.choice([3, 20, 1000])], "id": i} for i, text in enumerate(texts)]
    rng.shuffle(records)
    path = tmp_path_factory.mktemp("inputs") / "test.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_one_prediction_for_every_input_in_order(trained, inputs, submission):
    texts = [record["text"] for record in read_records(inputs)]
    predictions = read_records(submission)
    assert [record["text"] for record in predictions] == texts
    schema = read_schema(trained / "schema.json")
    found = 0
    for record in predictions:
        assert record.keys() == {"text", "spo_list"}
        assert not list(record_faults(record))
        for triple in record["spo_list"]:
            assert not list(schema_faults(triple, schema))
            strings = [triple["subject"], *triple["object"].values()]
            assert all(string and string in record["text"] for string in strings)
            found += 1
    assert found > 20
    same = [record["spo_list"] for record in predictions if record["text"] == ODD_TEXTS[-2]]
    assert same[0] == same[1]


class TestPrediction(PredictionTests):
    records = 315


class FindsNothing:
    """An extractor without a model."""

    has_ties = True
    engines: dict[str, Engine] = {}
    thresholds: Thresholds = {}
    step = 0.0

    def __call__(self, features):
        return iter([np.zeros((0, 5), np.int32)] * len(features))


def test_reads_no_further_than_it_must(tokenizer, labels, monkeypatch):
    """However large the file is, only a chunk of it is in memory."""
    taken = 0

    def records():
        nonlocal taken
        for i in range(20):
            taken += 1
            yield {"text": f"第{i}句"}

    config = Config(train_file="", dev_file="", schema_file="", encoder="data/encoders/small", max_length=16, stride=8)
    monkeypatch.setattr(extraction, "CHUNK", 6)
    predictions = extraction.predict(records(), FindsNothing(), tokenizer, labels, config)
    assert taken == 0
    for number, record in enumerate(predictions):
        assert record == {"text": f"第{number}句", "spo_list": []}
        assert taken == min(6 * (number // 6 + 1), 20)
    assert number == 19
