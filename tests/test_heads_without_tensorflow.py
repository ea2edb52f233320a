"""Tests that every head can be imported, and decodes what its engines return, without TensorFlow."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
START = """
import sys

for name in ("tensorflow", "tf_keras", "keras", "bert4keras"):
    sys.modules[name] = None
from collections import Counter

import numpy as np

from common.tokenizer import Tokenizer
from dataset import *
from decode import *
from model import HEADS
from records import *

rng = np.random.default_rng(0)
tokenizer = Tokenizer.from_vocab("data/vocab.txt")
text = "何川导演了《山水之间》，江月主演"


def factors(n_labels, masked=-1e12):
    # a pair head masks spans that end before they start
    def engine(inputs):
        rows, length = inputs["token_ids"].shape
        scores = np.where(np.tri(length, k=-1), masked, rng.normal(size=(rows, length, length)))
        return scores, *rng.normal(size=(2, rows, n_labels, length))

    return engine


def three(n_spans, n_links):
    heads = {"spans": factors(n_spans), "starts": factors(n_links, 0), "ends": factors(n_links, 0)}
    return lambda inputs: {name: head(inputs) for name, head in heads.items()}


def numbers(*size):
    return lambda inputs: rng.normal(size=(*inputs["token_ids"].shape, *size))
"""
FOLDERS = {
    "relation_extraction": """
        from schema import read_schema
        labels = Labels(read_schema("data/demo/relation_extraction/schema.json"))
        features = list(to_features([Example(text, ())], tokenizer, labels, 64, 32, Counter()))
        subjects, n = numbers(2), len(labels.relations)
        engines = {
            "pair": {"pair": three(2, len(labels))},
            "pointer": {
                "subjects": lambda inputs: {"hidden": numbers(8)(inputs), "subjects": 9 * subjects(inputs)},
                "objects": lambda inputs: rng.normal(size=(*inputs["hidden"].shape[:2], 2 * n)),
            },
        }
        for name, head in HEADS.items():
            extractor = head.Extractor(engines[name], labels)
            (relations,) = extractor(features)
            record = to_record(text, to_characters(features[0], relations), labels, extractor.has_ties)
            assert record["spo_list"] and not list(record_faults(record))
    """,
    "event_extraction": """
        labels = Labels(read_schema("data/demo/event_extraction/event_schema.json"))
        features = list(to_features([Example(text, ())], tokenizer, labels, 64, 32, Counter()))
        n = 1 + 2 * len(labels.arguments)
        crf = lambda inputs: {"emissions": numbers(n)(inputs), "transitions": np.zeros((n, n))}
        pair = three(len(labels), len(labels))
        joint = lambda inputs: pair(inputs) | crf(inputs)
        engines = {"pair": {"pair": pair}, "crf": {"crf": crf}, "joint": {"joint": joint}}
        for name, head in HEADS.items():
            (tokens,) = head.Extractor(engines[name], labels)(features)
            found = Found(set(), set())
            to_characters(features[0], tokens, found)
            record = to_record("1", text, to_events(found, labels))
            assert record["event_list"] and not list(record_faults(record, "id", "event_list"))
    """,
    "reading_comprehension": """
        from config import Config

        config = Config(train_file="", dev_file="", encoder="data/encoders/small")
        features = list(to_features([Question("1", "谁导演的", text, ())], tokenizer, config, Counter()))
        pair, softmax = factors(1), numbers(2)
        engines = {
            "pair": {"pair": lambda inputs: {"answers": pair(inputs)}},
            "softmax": {"softmax": lambda inputs: {"logits": softmax(inputs)}},
        }
        for name, head in HEADS.items():
            (candidates,) = head.Extractor(engines[name], max_answer_tokens=8, n_best=3)(features)
            answers = to_answers(text, [(features[0], candidates)], 3)
            assert len(answers) == 3 and all(answer.text in text for answer in answers)
    """,
    "examples/named_entities": """
        labels = read_schema("data/demo/named_entities/schema.json")
        features = list(to_features([Example(text, frozenset())], tokenizer, labels, 64, 32, Counter()))
        spans = factors(len(labels))
        engines = {"pair": {"pair": lambda inputs: {"spans": spans(inputs)}}}
        for name, head in HEADS.items():
            (spans,) = head.Extractor(engines[name], labels)(features)
            record = to_record({"text": text}, to_characters(features[0], spans, labels))
            assert record["label"] and not list(record_faults(record, True, labels))
    """,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_decoding_without_tensorflow(folder):
    program = f"import sys\nsys.path.insert(0, {folder!r})\n{START}\n{textwrap.dedent(FOLDERS[folder])}"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
