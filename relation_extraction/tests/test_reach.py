"""Gold that no prediction can match is counted before a training, and when predictions are scored."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evaluate
import pointer
import train
from common.config import EncoderSizes
from common.inference import Engine
from common.testing.runs import count_out_of_reach, write_tiny_config
from config import Config
from dataset import to_example, to_features
from model import HEADS
from reach import print_reach
from records import Labels, read_records
from schema import read_schema
from scoring import occurs, score

TEXT = "青城大学位于北山。"


def record(subject="青城大学", value="北山", text=TEXT, **slots):
    triple = {"predicate": "获奖", "subject": subject, "object": {"@value": value} | slots}
    return {"text": text, "spo_list": [triple]}


# Labels as people have them: white space at an edge, and simplified characters for a traditional text.
UNREACHABLE = [
    record("青城大学 ", "北山 "),
    record("长河公司 ", "南湖 ", "长河公司位于南湖。"),
    record("东山学院", "西市", "東山學院位於西市。"),
]


def out_of_reach(records, tokenizer, labels, capsys, head="pair", **keys):
    """Return how many triples are out of reach, of how many, and what is written to standard error."""
    config = Config(
        train_file="", dev_file="dev.json", schema_file="", encoder=EncoderSizes(hidden_size=8, layers=1, heads=1),
        head=head, **{"max_length": 64, "stride": 32} | keys,
    )  # fmt: skip
    print_reach(records, train.read_features("dev.json", records, tokenizer, labels, config), labels, config)
    output = capsys.readouterr()
    return *count_out_of_reach(output.out, "triples"), output.err


@pytest.mark.parametrize(("head", "expected"), [("pair", 2), ("pointer", 14)])
def test_little_of_the_demo_set_is(head, expected, demo, tokenizer, capsys):
    """Two strings are not in their texts as the metric compares them. Pointers also confuse names that overlap."""
    labels = Labels(read_schema(demo / "schema.json"))
    records = list(read_records(demo / "dev.json"))
    lost, total, warning = out_of_reach(records, tokenizer, labels, capsys, head, max_length=256, stride=128)
    assert (lost, total) == (expected, 637)
    assert warning == ""


@pytest.mark.parametrize("head", HEADS)
def test_strings_that_no_text_has(head, tokenizer, labels, capsys):
    lost, total, warning = out_of_reach([record(), *UNREACHABLE], tokenizer, labels, capsys, head)
    assert (lost, total) == (3, 4)
    assert warning.splitlines()[0].startswith("warning: dev.json: 3 of 4 triples (75.00 %) are out of reach")
    assert warning.splitlines()[1].endswith(": line 2 '青城大学 ', line 3 '长河公司 '")
    assert warning.splitlines()[2].startswith("  1 not in the text")
    assert warning.splitlines()[2].endswith(": line 4 '东山学院'")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("gold", "lost"),
    [
        (record("《青城大学》", text="《青城大学》在北山"), 0),
        (record(" 青城", text="《 青城》在北山"), 0),  # the metric strips the marks
        (record("ABC", text="abc在北山"), 0),  # the metric ignores case
        (record("ＡＢＣ", text="abc在北山"), 1),  # but not width
        (record("青城 大学"), 1),  # nor white space
        (record(onDate="2020年"), 1),  # the slot is lost
        (record("长河", text="长河。" + "，" * 99 + "北山"), 1),  # fits no window
        (record("长河", text="长河在北山。" + "，" * 99), 0),
        (record("19", text="1999年北山"), 1),  # part of a token
    ],
)
def test_kinds(gold, lost, head, tokenizer, labels, capsys):
    assert out_of_reach([gold], tokenizer, labels, capsys, head)[:2] == (lost, 1)


def test_what_only_one_head_can_find(tokenizer, labels, capsys):
    """A name within another one, with the same end: the starts of both pointers take the first end."""
    inner = record("大学", "北山")
    inner["spo_list"] += record("青城大", "北山")["spo_list"]
    assert out_of_reach([inner], tokenizer, labels, capsys)[0] == 0
    outer = record("青城大学", "北山")
    outer["spo_list"] += record("青城", "北山")["spo_list"]
    assert out_of_reach([outer], tokenizer, labels, capsys)[0] == 0
    assert out_of_reach([outer], tokenizer, labels, capsys, "pointer")[0] > 0


def test_right_pointers_give_what_the_extractor_finds(demo, tokenizer):
    """The targets have the objects of one subject. So this takes windows that have no other."""
    labels = Labels(read_schema(demo / "schema.json"))
    examples = [to_example(record) for record in read_records(demo / "dev.json")]
    features = list(to_features(examples, tokenizer, labels, 256, 128))
    features = [feature for feature in features if len(np.unique(feature.relations[:, 1:3], axis=0)) == 1]
    assert len(features) > 50
    for feature in features:
        _, targets = pointer.batch([feature], np.random.default_rng(0), labels)
        subjects, objects = (20 * targets[name] - 10 for name in ("subjects", "objects"))
        outputs = {"subjects": subjects, "hidden": subjects}
        engines: dict[str, Engine] = {
            "subjects": lambda _, outputs=outputs: outputs, "objects": lambda _, objects=objects: objects
        }  # fmt: skip
        (found,) = pointer.Extractor(engines, labels)([feature])
        assert found.tolist() == pointer.perfect(feature, labels).tolist()


@given(st.text("《》aA何", max_size=6), st.text("《》aA何", max_size=4))
def test_a_name_occurs_if_some_part_of_the_text_scores(text, name):
    gold = [record(name, "值", text)]
    ends = range(len(text) + 1)
    parts = {text[i:j] for i in ends for j in ends if i < j}
    assert occurs(name, text) == any(score(gold, [record(part, "值", text)])["f1"] == 1 for part in parts)


def test_an_alias_of_the_name_occurs():
    assert occurs("《北山》", "在城里", {"北山": {"城"}})
    assert not occurs("北山", "在城里", {"城": {"北山"}})


def test_training_warns_before_it_imports_tensorflow(tmp_path, call, capsys, without_tensorflow):
    lines = "".join(json.dumps(one) + "\n" for one in UNREACHABLE)
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    schema = {"predicate": "获奖", "subject_type": "学校", "object_type": {"@value": "地点"}}
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    config = write_tiny_config(tmp_path, schema_file="schema.json", threshold_share=0.0)
    with pytest.raises(ModuleNotFoundError):
        call(train.main, "--config", config, "--output", tmp_path / "run")
    output = capsys.readouterr()
    counts = ["  strings found only by ignoring case, width, space or book marks: 4", "  triples: 3",
              "  triples lost: subject not in the text: 1"]  # fmt: skip
    assert output.out.splitlines()[1:] == [
        f"{tmp_path / 'train.json'}:", *counts, f"{tmp_path / 'dev.json'}:", *counts,
        "  out of reach: 3 of 3 triples (100.00 %)",
    ]  # fmt: skip
    assert output.err.startswith(f"warning: {tmp_path / 'dev.json'}: 3 of 3 triples (100.00 %) are out of reach")


def test_evaluation_counts_them(tmp_path, call, capsys):
    gold = tmp_path / "gold.json"
    gold.write_text("".join(json.dumps(one) + "\n" for one in [record(), *UNREACHABLE]), encoding="utf-8")
    call(evaluate.main, "--gold", gold, "--predictions", gold)
    output = capsys.readouterr()
    assert json.loads(output.out) == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    note = output.err.splitlines()[0]
    assert note.startswith(f"note: {gold}: 5 of 8 gold strings (62.50 %) equal no part of their text")
    assert note.endswith("first: line 2 '青城大学 '")


def test_the_case(shared, tokenizer, capsys):
    folder = shared / "cases" / "unreachable_gold"
    labels = Labels(read_schema(folder / "schema.json"))
    records = list(read_records(folder / "train.json", schema=labels.schema))
    lost, total, warning = out_of_reach(records, tokenizer, labels, capsys)
    assert lost == total == 3
    assert "line 1 '青城大学 '" in warning
    assert "line 3 '东山学院'" in warning
