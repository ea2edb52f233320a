"""Gold that no prediction can match is counted before a training, and when predictions are scored."""

import json
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crf
import evaluate
import train
from common.config import EncoderSizes
from common.testing.runs import count_out_of_reach, write_tiny_config
from config import Config
from dataset import to_example, to_features
from model import HEADS
from reach import print_reach
from records import Labels, read_labelled, read_schema
from scoring import occurs, score


def record(argument="何川", text="昨天何川 去世", alias=(), more=()):
    arguments = [
        {"role": "死者", "argument": string, "argument_start_index": text.find(string), "alias": list(alias)}
        for string in (argument, *more)
    ]
    event = {"event_type": "人生-死亡", "trigger": "去世", "trigger_start_index": text.find("去世")}
    return {"id": "1", "text": text, "event_list": [event | {"arguments": arguments}]}


def out_of_reach(records, tokenizer, labels, capsys, head="pair", **keys):
    """Return how many arguments are out of reach, of how many, and what is written to standard error."""
    config = Config(
        train_file="", dev_file="dev.json", schema_file="", encoder=EncoderSizes(hidden_size=8, layers=1, heads=1),
        head=head, **{"max_length": 64, "stride": 32} | keys,
    )  # fmt: skip
    print_reach(records, train.read_features("dev.json", records, tokenizer, labels, config), labels, config)
    output = capsys.readouterr()
    return *count_out_of_reach(output.out, "arguments"), output.err


@pytest.mark.parametrize(("head", "expected"), [("pair", 0), ("crf", 88)])
def test_the_demo_set(head, expected, demo, tokenizer, capsys):
    """Tags cannot express arguments that overlap."""
    labels = Labels(read_schema(demo / "event_schema.json"))
    records = list(read_labelled(demo / "dev.json", labels.schema))
    lost, total, warning = out_of_reach(records, tokenizer, labels, capsys, head, max_length=256, stride=128)
    assert (lost, total) == (expected, 1322)
    assert bool(warning) == (head == "crf")


@pytest.mark.parametrize("head", HEADS)
def test_white_space_at_an_edge(head, tokenizer, labels, capsys):
    records = [record(), record("何川 "), record(" 江月", "昨天 江月去世"), record()]
    lost, total, warning = out_of_reach(records, tokenizer, labels, capsys, head)
    assert (lost, total) == (2, 4)
    first, second = warning.splitlines()
    assert first.startswith("warning: dev.json: 2 of 4 arguments (50.00 %) are out of reach")
    assert second == "  2 white space at an edge, where no prediction has any: line 2 '何川 ', line 3 ' 江月'"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("gold", "lost"),
    [
        (record("何川 ", alias=["何川"]), 0),  # the metric takes the best form
        (record("ABC", "昨天ABC去世"), 0),
        (record("何川", "何川" + "，" * 99 + "去世"), 0),  # without its trigger
        (record("何川" + "，" * 99, "何川" + "，" * 99 + "去世"), 1),  # fits no window
        (record("19", "1999年去世"), 1),  # part of a token
    ],
)
def test_kinds(gold, lost, head, tokenizer, labels, capsys):
    assert out_of_reach([gold], tokenizer, labels, capsys, head)[:2] == (lost, 1)


def test_tags_cannot_overlap(tokenizer, labels, capsys):
    nested = record("何川", more=["川"])
    assert out_of_reach([nested], tokenizer, labels, capsys)[:2] == (0, 2)
    lost, total, warning = out_of_reach([nested], tokenizer, labels, capsys, "crf")
    assert (lost, total) == (1, 2)
    assert warning.splitlines()[1].startswith("  1 in the text, but lost on the way back")
    assert warning.endswith(": line 1 '川'\n")


def test_right_tags_give_what_viterbi_finds(demo, tokenizer):
    labels = Labels(read_schema(demo / "event_schema.json"))
    examples = [to_example(record) for record in islice(read_labelled(demo / "dev.json", labels.schema), 20)]
    for feature in to_features(examples, tokenizer, labels, 64, 32):
        _, targets = crf.batch([feature], np.random.default_rng(0), labels)
        n = 1 + 2 * len(labels.arguments)
        outputs = {"emissions": np.eye(n)[targets["tags"]], "transitions": np.zeros((n, n))}
        ((spans, _),) = crf.Extractor({"crf": lambda _, outputs=outputs: outputs}, labels)([feature])
        assert spans.tolist() == crf.perfect(feature, labels)[0].tolist()


@given(st.text("aA何", max_size=6), st.text("aA何", max_size=4))
def test_an_argument_occurs_if_some_part_of_the_text_equals_it(text, argument):
    parts = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    same = [part for part in parts if part.lower() == argument.lower()]
    assert occurs(argument, text) == bool(same)
    for part in same:
        assert score([record(argument)], [record(part)])["f1_lcs"] == 1


def test_training_warns_before_it_imports_tensorflow(tmp_path, call, capsys, without_tensorflow):
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(json.dumps(record("何川 ")), encoding="utf-8")
    schema = {"event_type": "人生-死亡", "role_list": [{"role": "死者"}]}
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    config = write_tiny_config(tmp_path, schema_file="schema.json", threshold_share=0.0)
    with pytest.raises(ModuleNotFoundError):
        call(train.main, "--config", config, "--output", tmp_path / "run")
    output = capsys.readouterr()
    counts = ["  arguments: 1", "  events: 1", "  spans not on token boundaries: 1"]
    assert output.out.splitlines()[1:] == [
        f"{tmp_path / 'train.json'}:", *counts, f"{tmp_path / 'dev.json'}:", *counts,
        "  out of reach: 1 of 1 arguments (100.00 %)",
    ]  # fmt: skip
    assert output.err.startswith(f"warning: {tmp_path / 'dev.json'}: 1 of 1 arguments (100.00 %) are out of reach")


def test_evaluation_counts_them(tmp_path, call, capsys):
    gold = tmp_path / "gold.json"
    absent = record("何 川", "何川去世") | {"id": "2"}
    aliased, without_text = record("何 川", alias=["何川"]) | {"id": "3"}, record("何 川") | {"id": "4"}
    del without_text["text"]
    records = [record(), absent, aliased, without_text]
    gold.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    call(evaluate.main, "--gold", gold, "--predictions", gold)
    output = capsys.readouterr()
    assert json.loads(output.out)["f1"] == 1
    assert output.err.splitlines()[0] == (
        f"note: {gold}: 1 of 3 gold strings (33.33 %) equal no part of their text, so no span matches them; "
        "first: line 2 '何 川'"
    )
