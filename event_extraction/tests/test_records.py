import json

import pytest

from common.cli import UserError
from records import read_events, read_inputs, read_labelled, read_schema

LINE = '{"event_type": "人生-死亡", "role_list": [{"role": "时间"}, {"role": "死者"}], "class": "人生"}\n'


def test_reads_types_with_their_roles_in_order(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(LINE + LINE.replace("死亡", "出生").replace("死者", "父母"), encoding="utf-8")
    schema = read_schema(path)
    assert list(schema.items()) == [("人生-死亡", ("时间", "死者")), ("人生-出生", ("时间", "父母"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE * 2, "line 2: event type '人生-死亡' is defined a second time"),
        (LINE.replace("时间", "死者"), "line 1: event type '人生-死亡' has a role twice"),
        ('{"event_type": "人生-死亡"}\n', "line 1: expected"),
        ('{"event_type": "人生-死亡", "role_list": ["时间"]}\n', "line 1: expected"),
        ("", "empty"),
    ],
)
def test_what_is_no_schema(tmp_path, content, message):
    path = tmp_path / "schema.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_schema(path)


def test_the_official_schema(shared):
    schema = read_schema(shared / "data" / "duee" / "event_schema.json")
    assert len(schema) == 65
    assert len({role for roles in schema.values() for role in roles}) == 121


def test_ids_that_are_whole_numbers_are_strings(tmp_path):
    record = {"id": 3, "text": "", "event_list": []}
    (tmp_path / "a.json").write_text(json.dumps(record), encoding="utf-8")
    for records in (read_inputs(tmp_path / "a.json"), read_events(tmp_path / "a.json")):
        assert list(records) == [record | {"id": "3"}]


SHARED = {
    "badoffset": "trigger '表示' is not at character 0 of the text",
    "doccano": '"event_list" is missing; this looks like an export of doccano',
    "dupid": "line 2: id '1' is already on line 1",
    "emptyarg": "an empty argument of an event of type '交流-表态'",
    "fin_notrigger": r'"trigger" of an event is missing \(DuEE-fin has none',
    "fin_trigger_noidx": r'"trigger_start_index" of an event is missing \(DuEE-fin has none',
    "noevents": r'"event_list" is missing \(is this a file without labels\?',
    "noid": '"id" is missing',
}
READ = {"dupevent", "intid", "noalias", "noclass"}


def test_the_shared_files(shared):
    folder = shared / "cases" / "event_formats"
    schema = read_schema(folder / "schema.json")
    files = [path for path in folder.glob("*.json*") if path.stem != "schema" and not path.stem.startswith("c_")]
    assert {path.stem for path in files} == SHARED.keys() | READ
    for path in files:
        if path.stem in READ:
            assert [record["id"] for record in read_labelled(path, schema)] == ["1"]
        else:
            with pytest.raises(UserError, match=SHARED[path.stem]):
                list(read_labelled(path, schema))
