import json

import pytest

SCHEMA = {"event_type": "人生-死亡", "role_list": [{"role": "死者"}]}
EVENT = {"event_type": "人生-死亡", "arguments": [{"role": "死者", "argument": "何川"}]}
INPUT = [{"id": str(number), "text": "何川去世"} for number in range(3)]
RECORDS: list[dict] = [
    {"id": "0", "event_list": [EVENT]},
    {"id": "1", "event_list": []},
    {"id": "2", "event_list": [EVENT] * 2},
]


def dump(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.fixture
def check(tmp_path, check_zipped):
    """Return a function that checks records against INPUT and gives standard output, standard error and exit code."""

    def check(records, member="result.json"):
        for name, content in (("input", INPUT), ("schema", [SCHEMA])):
            (tmp_path / f"{name}.json").write_text(dump(content), encoding="utf-8")
        files = ["--input", tmp_path / "input.json", "--schema", tmp_path / "schema.json"]
        return check_zipped(dump(records), *files, member=member)

    return check


def test_a_good_file(check):
    assert check(RECORDS) == ("OK: 3 records, 3 events\n", "", 0)


def test_ids_may_be_whole_numbers(check):
    assert check([record | {"id": int(record["id"])} for record in RECORDS]) == ("OK: 3 records, 3 events\n", "", 0)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (RECORDS[:2], "problem: input.json, line 3: the id has no prediction"),
        ([*RECORDS, RECORDS[0]], "problem: result.zip, line 4: the id occurs more often than in input.json"),
        ([*RECORDS, {"id": "3", "event_list": []}], "problem: result.zip, line 4: the id is not in input.json"),
        ([*RECORDS[:2], {"id": "2"}], 'problem: result.zip, line 3: "event_list" is missing'),
        ([{"id": "0", "event_list": [EVENT | {"event_type": "死亡"}]}], "event type '死亡' is not in the schema"),
        (
            [*RECORDS[:2], {"id": "2", "event_list": [EVENT | {"arguments": [{"role": "地点", "argument": "a"}]}]}],
            "event type '人生-死亡' has no role '地点' in the schema",
        ),
        ([*RECORDS[:2], []], "problem: result.zip, line 3: expected a JSON object"),
    ],
)
def test_what_the_leaderboard_would_not_take(check, records, message):
    out, err, code = check(records)
    assert (out, code) == ("", 2)
    assert message in err
    assert "result.zip: not what the leaderboard takes" in err


def test_the_file_in_the_zip_must_be_named_like_it(check):
    assert "expected one file named 'result.json' in the zip, found 'other.json'" in check(RECORDS, "other.json")[1]


def test_an_empty_argument_is_a_warning(check):
    empty = [{"id": "0", "event_list": [EVENT | {"arguments": [{"role": "死者", "argument": ""}]}]}, *RECORDS[1:]]
    assert check(empty) == ("OK: 3 records, 3 events\n", "warning: result.zip, line 1: an empty argument\n", 0)
