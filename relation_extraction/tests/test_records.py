import json
from typing import Any

import pytest

from common.cli import UserError
from records import Labels, Predicate, find_predicate, read_records, record_faults, schema_faults
from schema import read_schema

DIRECTOR = {"predicate": "导演", "subject_type": "影视作品", "object_type": {"@value": "人物"}}
RELEASE = {
    "predicate": "上映时间",
    "subject_type": "影视作品",
    "object_type": {"@value": "Date", "inArea": "地点"},
}
TRIPLE = {"predicate": "导演", "subject": "山水之间", "object": {"@value": "李四"}}


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_schema_is_read_in_file_order(tmp_path):
    schema = read_schema(write_lines(tmp_path / "schema.json", DIRECTOR, RELEASE))
    assert list(schema) == ["导演", "上映时间"]
    assert schema["上映时间"] == Predicate("上映时间", "影视作品", {"@value": "Date", "inArea": "地点"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([DIRECTOR, RELEASE, DIRECTOR], "line 3: predicate '导演' is defined a second time, as on line 1"),
        ([DIRECTOR, {**DIRECTOR, "object_type": "人物"}], "line 2: predicate '导演' is defined a second time"),
        ([DIRECTOR, ["导演"]], "line 2: expected"),
        ([{**DIRECTOR, "predicate": None}], "line 1: expected"),
        ([{**DIRECTOR, "object_type": 3}], "line 1: expected"),
        ([{**DIRECTOR, "object_type": {"inArea": "地点"}}], "line 1: expected"),
        ([], "empty"),
    ],
)
def test_bad_schema_names_file_and_line(tmp_path, lines, message):
    path = write_lines(tmp_path / "schema.json", *lines)
    with pytest.raises(UserError, match=message) as error:
        read_schema(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ([], "expected a JSON object"),
        ({"spo_list": []}, '"text" is missing'),
        ({"text": 3, "spo_list": []}, '"text" is missing or not a string'),
        ({"text": "晴"}, '"spo_list" is missing'),
        ({"text": "晴", "spo_list": {}}, '"spo_list" is not a list'),
        ({"text": "晴", "spo_list": ["李四"]}, "a triple in"),
        ({"text": "晴", "spo_list": [{**TRIPLE, "subject": None}]}, '"subject" of a triple'),
        ({"text": "晴", "spo_list": [{**TRIPLE, "predicate": 1}]}, '"predicate" of a triple'),
        ({"text": "晴", "spo_list": [{**TRIPLE, "object": ["李四"]}]}, '"object" of a triple'),
        ({"text": "晴", "spo_list": [{**TRIPLE, "object": {"@value": 2}}]}, '"object" of a triple'),
    ],
)
def test_faults_of_a_record(tmp_path, record, fault):
    assert [message.startswith(fault) for message in record_faults(record)] == [True]
    path = write_lines(tmp_path / "dev.json", {"text": "阴", "spo_list": []}, record)
    with pytest.raises(UserError, match="dev.json, line 2: "):
        list(read_records(path))


def test_unlabelled_records_need_only_a_text(tmp_path):
    records = [{"text": "晴"}, {"text": "", "spo_list": "unread"}]
    assert list(read_records(write_lines(tmp_path / "test.json", *records), labelled=False)) == records


def test_schema_faults(tmp_path):
    schema = read_schema(write_lines(tmp_path / "schema.json", DIRECTOR, RELEASE))
    assert not list(schema_faults(TRIPLE, schema))
    unknown = {**TRIPLE, "predicate": "编剧"}
    assert list(schema_faults(unknown, schema)) == ["predicate '编剧' is not in the schema"]
    wider = {**TRIPLE, "object": {"@value": "李四", "inArea": "北京"}}
    assert list(schema_faults(wider, schema)) == ["predicate '导演' has no slot 'inArea' in the schema"]


def test_objects_may_be_strings(tmp_path):
    """DuIE 1.0 and CMeIE have them. A submission may not."""
    whole = {"text": "晴", "spo_list": [{**TRIPLE, "object_type": {"@value": "人物"}}]}
    strings = {"text": "晴", "spo_list": [{**TRIPLE, "object": "李四", "object_type": "人物"}]}
    assert list(record_faults(strings)) == [
        '"object" of a triple is missing or not an object of strings like {"@value": "..."}'
    ]
    assert list(read_records(write_lines(tmp_path / "train.json", strings))) == [whole]
    bare = write_lines(tmp_path / "bare.json", {**DIRECTOR, "object_type": "人物"})
    assert read_schema(bare) == read_schema(write_lines(tmp_path / "schema.json", DIRECTOR))


SYNONYMS = [{"predicate": "同义词", "subject_type": kind, "object_type": {"@value": kind}} for kind in ("疾病", "药物")]


def key_of(schema, name, subject_type, object_types):
    return find_predicate(schema, {"predicate": name, "subject_type": subject_type, "object_type": object_types})


def test_a_predicate_with_several_pairs_of_types(tmp_path):
    schema = read_schema(write_lines(tmp_path / "schema.json", SYNONYMS[0], DIRECTOR, SYNONYMS[1]))
    disease, director, drug = schema
    assert director == "导演"
    assert [predicate.name for predicate in schema.values()] == ["同义词", "导演", "同义词"]
    assert Labels(schema).relations == [(disease, "@value"), (director, "@value"), (drug, "@value")]
    assert key_of(schema, "同义词", "药物", {"@value": "药物"}) == drug
    assert key_of(schema, "同义词", None, {"@value": "疾病"}) == disease
    assert key_of(schema, "同义词", "药物", None) == drug
    assert key_of(schema, "导演", "书", {"@value": "药物"}) == "导演"  # types do not decide where one is enough
    triple = {"predicate": "同义词", "subject": "甲", "object": {"@value": "乙"}, "subject_type": "疾病"}
    wrong = triple | {"object_type": {"@value": "药物"}}
    assert list(schema_faults(wrong, schema)) == [
        "predicate '同义词': \"subject_type\" '疾病' and \"object_type\" {'@value': '药物'} do not choose one of "
        "'疾病' {'@value': '疾病'}, '药物' {'@value': '药物'} in the schema"
    ]
    del triple["subject_type"]  # nothing says which of the two is meant
    assert len(list(schema_faults(triple, schema))) == 1


def test_slots_decide_between_pairs_of_types(tmp_path):
    wider = SYNONYMS[0] | {"object_type": {"@value": "疾病", "inArea": "地点"}}
    narrow, wide = schema = read_schema(write_lines(tmp_path / "schema.json", SYNONYMS[0], wider))
    assert key_of(schema, "同义词", "疾病", {"@value": "疾病"}) == narrow
    assert key_of(schema, "同义词", "疾病", {"@value": "疾病", "inArea": "地点"}) == wide


def test_the_case_of_a_schema_with_strings(shared):
    schema = read_schema(shared / "cases/type_pairs/schema_string.json")
    assert schema == {"预防": Predicate("预防", "疾病", {"@value": "其他"})}


def test_objects_may_have_other_keys_and_mixed_forms(tmp_path):
    """CMeIE has a key `Combined`. Only one of `object` and `object_type` may be a string, and types may be missing."""
    schema = read_schema(write_lines(tmp_path / "schema.json", *SYNONYMS))
    forms: list[dict[str, Any]] = [
        {"object": "乙", "object_type": {"@value": "药物"}, "Combined": True},
        {"object": {"@value": "乙"}, "object_type": "药物"},
        {"object": "乙"},
    ]
    triples = [{"predicate": "同义词", "subject": "甲", "subject_type": "药物"} | form for form in forms]
    path = write_lines(tmp_path / "train.json", {"text": "甲即乙", "spo_list": triples})
    (record,) = read_records(path, schema=schema)
    assert [triple["object"] for triple in record["spo_list"]] == [{"@value": "乙"}] * 3
    keys = [find_predicate(schema, triple) for triple in record["spo_list"]]
    assert keys == [list(schema)[1]] * 3


def test_official_files_are_read_without_fault(shared):
    schema = read_schema(shared / "data/duie/schema.json")
    assert len(schema) == 48
    records = list(read_records(shared / "data/duie/dev.json"))
    assert len(records) == 8000
    assert not any(list(schema_faults(triple, schema)) for record in records for triple in record["spo_list"])
