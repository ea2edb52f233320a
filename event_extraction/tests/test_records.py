import pytest

from common.cli import UserError
from records import read_schema

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
