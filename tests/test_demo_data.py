"""Tests of the demo sets.

They are what `data/demo_sets` writes, in the official form, and have the oddities of the real data.
"""

import json
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest

DATA = Path(__file__).parent.parent / "data"
FOLDER = DATA / "demo" / "relation_extraction"
SLOTS = {
    "配音": ["inWork", "@value"],
    "饰演": ["inWork", "@value"],
    "上映时间": ["inArea", "@value"],
    "票房": ["inArea", "@value"],
    "获奖": ["inWork", "onDate", "@value", "period"],
}  # as in the official schema, where every other predicate has only @value
VALUE_TYPES = {"Date", "Number", "地点"}  # their values are no invented names


def lines(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def relation_extraction():
    """Load the module that writes this demo set, without leaving the generator's modules in `sys.modules`."""
    with mock.patch.dict(sys.modules):
        for path in (DATA / "demo_sets").glob("[a-z]*.py"):
            sys.modules.pop(path.stem, None)
        return runpy.run_path(str(DATA / "demo_sets"))["relation_extraction"]


@pytest.fixture(scope="module")
def schema():
    return {row["predicate"]: row for row in lines("schema.json")}


@pytest.fixture(scope="module", params=["train", "dev"])
def records(request):
    return lines(f"{request.param}.json")


@pytest.fixture(scope="module")
def triples(records):
    return [(record["text"], triple) for record in records for triple in record["spo_list"]]


def names(records):
    return {
        value
        for record in records
        for triple in record["spo_list"]
        for value, kind in [
            (triple["subject"], triple["subject_type"]),
            *((triple["object"][slot], triple["object_type"][slot]) for slot in triple["object"]),
        ]
        if kind not in VALUE_TYPES and value
    }


def test_generator_writes_the_files_as_they_are(tmp_path):
    subprocess.run([sys.executable, DATA / "demo_sets", "--output", tmp_path], check=True)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    assert written == {path.relative_to(DATA / "demo") for path in (DATA / "demo").rglob("*.*")}
    for name in written:
        assert (tmp_path / name).read_bytes() == (DATA / "demo" / name).read_bytes()


def test_another_seed_gives_other_data(relation_extraction):
    first, second = (relation_extraction.files(seed) for seed in (1, 2))
    assert first["schema.json"] == second["schema.json"]
    assert first["dev.json"] != second["dev.json"]


def test_counts():
    assert [len(lines(f"{split}.json")) for split in ("train", "dev", "test")] == [1500, 300, 100]


def test_schema_has_all_multi_slot_predicates(schema):
    assert len(schema) >= 12
    for predicate, row in schema.items():
        assert list(row) == ["object_type", "predicate", "subject_type"]
        assert list(row["object_type"]) == SLOTS.get(predicate, ["@value"])
    assert SLOTS.keys() <= schema.keys()


def test_test_has_texts_alone():
    assert all(list(record) == ["text"] and record["text"] for record in lines("test.json"))


def test_triples_fit_the_schema(records, triples, schema):
    assert all(list(record) == ["text", "spo_list"] for record in records)
    for _, triple in triples:
        assert list(triple) == ["predicate", "object_type", "subject_type", "object", "subject"]
        row = schema[triple["predicate"]]
        assert triple["subject_type"] == row["subject_type"]
        assert list(triple["object"]) == list(triple["object_type"])
        assert "@value" in triple["object"]
        assert triple["object_type"].items() <= row["object_type"].items()
    assert {triple["predicate"] for _, triple in triples} == schema.keys()


def test_nearly_all_values_are_in_their_text(triples):
    located = [value in text for text, triple in triples for value in (triple["subject"], *triple["object"].values())]
    assert 0.98 < sum(located) / len(located) < 1


def test_train_and_dev_share_no_name():
    assert not names(lines("train.json")) & names(lines("dev.json"))


def test_every_predicate_has_six_templates(relation_extraction, schema):
    templates = [
        template
        for table in (relation_extraction.OPENINGS, relation_extraction.TAILS)
        for of_topic in table.values()
        for template in of_topic
    ]
    counts = Counter(
        predicate for template in templates for predicate in {relation[0] for relation in template.relations}
    )
    assert counts.keys() == schema.keys()
    assert min(counts.values()) >= 6


def test_several_objects_with_slots_of_one_subject(triples):
    objects = {
        (text, triple["subject"], triple["predicate"], json.dumps(triple["object"]))
        for text, triple in triples
        if len(triple["object"]) > 1
    }
    several = Counter(key[:3] for key in objects)
    assert {predicate for (_, _, predicate), count in several.items() if count > 1} == SLOTS.keys()


def test_oddities_occur():
    records = lines("train.json")
    pairs = [
        (record["text"], triple, value)
        for record in records
        for triple in record["spo_list"]
        for value in (triple["subject"], *triple["object"].values())
    ]
    missing = [(text, value) for text, _, value in pairs if value not in text]
    assert any(not record["spo_list"] for record in records)
    assert any(len(record["text"]) > 256 for record in records)
    assert any(record["spo_list"].count(triple) > 1 for record in records for triple in record["spo_list"])
    assert any(triple["subject"] == triple["object"]["@value"] for _, triple, _ in pairs)
    assert any(value == "" for _, _, value in pairs)
    assert sum(text.count(value) > 1 for text, _, value in pairs if value) > len(pairs) / 20
    assert any(value.lower() in text.lower() for text, value in missing)
    assert any(value.replace(" ", "") in text.replace(" ", "") for text, value in missing)
    assert any(char in text for text, _ in missing for char in "０１２３４５６７８９")
    assert any(value[2:] in text for text, value in missing if value.startswith(("19", "20")))
    for mark in ("《", "·", "  ", "　"):
        assert any(mark in record["text"] for record in records)


# --- event extraction

EVENTS = DATA / "demo" / "event_extraction"


def event_lines(name):
    return [json.loads(line) for line in (EVENTS / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module", params=["train", "dev"])
def event_records(request):
    return event_lines(f"{request.param}.json")


def test_counts_of_events():
    assert [len(event_lines(f"{split}.json")) for split in ("train", "dev", "test")] == [1500, 300, 100]
    assert len(event_lines("event_schema.json")) >= 10


def test_ids_are_unique_and_test_has_no_labels():
    records = [record for split in ("train", "dev", "test") for record in event_lines(f"{split}.json")]
    assert len({record["id"] for record in records}) == len({record["text"] for record in records}) == len(records)
    assert all(list(record) == ["text", "id"] for record in event_lines("test.json"))


def test_events_fit_the_schema_and_stand_where_they_say(event_records):
    rows = event_lines("event_schema.json")
    schema = {row["event_type"]: {item["role"] for item in row["role_list"]} for row in rows}
    for record in event_records:
        text = record["text"]
        for event in record["event_list"]:
            assert text.startswith(event["trigger"], event["trigger_start_index"])
            for argument in event["arguments"]:
                assert argument["role"] in schema[event["event_type"]]
                assert argument["argument"]
                assert text.startswith(argument["argument"], argument["argument_start_index"])
    assert {event["event_type"] for record in event_records for event in record["event_list"]} == schema.keys()


def test_event_oddities_occur(event_records):
    several = [record["event_list"] for record in event_records if len(record["event_list"]) > 1]
    types = [[event["event_type"] for event in events] for events in several]
    assert len(several) > len(event_records) / 4
    assert any(len(set(of_one)) < len(of_one) for of_one in types)  # several events of one type

    def places(event):
        return {(a["argument_start_index"], a["argument_start_index"] + len(a["argument"])) for a in event["arguments"]}

    assert any(places(events[0]) & places(events[1]) for events in several)  # shared arguments
    spans = [places(event) for record in event_records for event in record["event_list"]]
    assert any(max(x[0], y[0]) < min(x[1], y[1]) for of_one in spans for x in of_one for y in of_one if x != y)
    roles = [[a["role"] for a in event["arguments"]] for record in event_records for event in record["event_list"]]
    assert any(len(set(of_one)) < len(of_one) for of_one in roles)  # a repeated role
    strings = [a["argument"] for r in event_records for event in r["event_list"] for a in event["arguments"]]
    assert any(" " in string for string in strings)
    assert any("\n" in record["text"] for record in event_records)
    assert any(not record["event_list"] for record in event_records)
    assert any(len(record["text"]) > 256 for record in event_records)


# --- named entities

ENTITIES = DATA / "demo" / "named_entities"


def entity_lines(name):
    return [json.loads(line) for line in (ENTITIES / name).read_text(encoding="utf-8").splitlines()]


def places(record):
    """Return (label, string, first character, last character) of every entity."""
    return [
        (label, string, *place)
        for label, strings in record["label"].items()
        for string, of_string in strings.items()
        for place in of_string
    ]


def test_counts_of_entities():
    assert [len(entity_lines(f"{split}.json")) for split in ("train", "dev", "test")] == [400, 100, 50]
    assert all(list(record) == ["id", "text"] for record in entity_lines("test.json"))
    records = [record for split in ("train", "dev", "test") for record in entity_lines(f"{split}.json")]
    assert len({record["text"] for record in records}) == len(records)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_entities_fit_the_schema_and_stand_where_they_say(split):
    found = [(record["text"], *place) for record in entity_lines(f"{split}.json") for place in places(record)]
    assert all(text[first : last + 1] == string != "" for text, _, string, first, last in found)
    assert {label for _, label, *_ in found} == {line["label"] for line in entity_lines("schema.json")}
    assert len({label for _, label, *_ in found}) == 10


def test_entity_oddities_occur():
    train = [places(record) for record in entity_lines("train.json")]
    pairs = [(a, b) for of_one in train for a in of_one for b in of_one if a != b]
    assert any(a[:2] == b[:2] for a, b in pairs)  # one string in several places
    assert any(a[0] != b[0] and a[1] == b[1] for a, b in pairs)  # one string with two labels
    assert any(a[2] <= b[2] and b[3] <= a[3] for a, b in pairs)  # one entity in another
    assert any(not of_one for of_one in train)
    names, dev = (
        {
            string
            for record in entity_lines(f"{split}.json")
            for label, string, *_ in places(record)
            if label in ("name", "company", "book", "movie")
        }
        for split in ("train", "dev")
    )
    assert not names & dev


# --- reading comprehension


@pytest.fixture(scope="module", params=["train", "dev", "test"])
def paragraphs(request):
    path = DATA / "demo" / "reading_comprehension" / f"{request.param}.json"
    (entry,) = json.loads(path.read_text(encoding="utf-8"))["data"]
    return request.param, entry["paragraphs"]


def test_counts_and_ids_of_questions(paragraphs):
    split, paragraphs = paragraphs
    questions = [question for paragraph in paragraphs for question in paragraph["qas"]]
    assert len(questions) == {"train": 1500, "dev": 300, "test": 100}[split]
    assert len({question["id"] for question in questions}) == len(questions)


def test_answers_stand_in_their_context(paragraphs):
    split, paragraphs = paragraphs
    for paragraph in paragraphs:
        for question in paragraph["qas"]:
            assert question["question"]
            assert ("answers" in question) == (split != "test")
            for answer in question.get("answers", ()):
                assert answer["text"] in paragraph["context"]
                start = answer["answer_start"]
                assert paragraph["context"].startswith(answer["text"], start) if split == "train" else start == -1


def test_question_oddities_occur(paragraphs):
    _, paragraphs = paragraphs
    assert any("\n" in paragraph["context"] for paragraph in paragraphs)
    assert any(len(paragraph["context"]) > 500 for paragraph in paragraphs)
    assert any(len(paragraph["qas"]) > 1 for paragraph in paragraphs)
