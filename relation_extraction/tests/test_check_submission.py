import json
import sys
import zipfile

import pytest

from check_submission import main
from common.cli import UserError

SCHEMA = [
    {"predicate": "导演", "subject_type": "影视作品", "object_type": {"@value": "人物"}},
    {"predicate": "票房", "subject_type": "影视作品", "object_type": {"@value": "Number", "inArea": "地点"}},
]
DIRECTOR = {
    "predicate": "导演",
    "subject": "山水之间",
    "subject_type": "影视作品",
    "object": {"@value": "李四"},
    "object_type": {"@value": "人物"},
}
BOX_OFFICE = {
    "predicate": "票房",
    "subject": "山水之间",
    "subject_type": "影视作品",
    "object": {"@value": "1亿", "inArea": "北美"},
    "object_type": {"@value": "Number", "inArea": "地点"},
}
# The first text comes twice, as it may in an input.
TEXTS = ["李四导演了《山水之间》", "", "李四导演了《山水之间》", "《山水之间》北美票房1亿"]
TRIPLES = [[DIRECTOR], [], [DIRECTOR], [BOX_OFFICE]]
RECORDS = [{"text": text, "spo_list": triples} for text, triples in zip(TEXTS, TRIPLES, strict=True)]


def dump(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Return a function that checks records or the text of a file against TEXTS.

    It returns standard output, standard error and the message of the UserError, or None if there is none.
    """
    (tmp_path / "input.json").write_text(dump({"text": text} for text in TEXTS), encoding="utf-8")
    (tmp_path / "schema.json").write_text(dump(SCHEMA), encoding="utf-8")

    def call(records, name="result.zip", members=("result.json",), schema=True):
        content = records if isinstance(records, str) else dump(records)
        if name.endswith(".zip"):
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                for member in members:
                    archive.writestr(member, content)
        else:
            (tmp_path / name).write_text(content, encoding="utf-8")
        arguments = ["--input", tmp_path / "input.json", "--predictions", tmp_path / name]
        arguments += ["--schema", tmp_path / "schema.json"] * schema
        monkeypatch.setattr(sys, "argv", ["check_submission.py", *map(str, arguments)])
        error = None
        try:
            main()
        except UserError as raised:
            error = str(raised)
        output = capsys.readouterr()
        return output.out, output.err.replace(f"{tmp_path}/", ""), error

    return call


def changed(**changes):
    """Return RECORDS with changes to the triple of the first record."""
    return [{**RECORDS[0], "spo_list": [{**DIRECTOR, **changes}]}, *RECORDS[1:]]


@pytest.mark.parametrize("name", ["result.zip", "result.json.zip"])
def test_a_good_file(check, name):
    assert check(RECORDS, name) == ("OK: 4 records, 3 triples\n", "", None)
    assert check(RECORDS[::-1], name, schema=False) == ("OK: 4 records, 3 triples\n", "", None)


def test_a_plain_file_is_taken_with_a_warning(check):
    out, err, error = check(RECORDS, "result.json")
    assert (out, error) == ("OK: 4 records, 3 triples\n", None)
    assert err == "warning: result.json: the leaderboard takes a zip of this file\n"


@pytest.mark.parametrize("members", [("other.json",), ("result.txt",), ("a/result.json",), ("result.json", "b"), ()])
def test_the_zip_holds_one_file_named_like_it(check, members):
    out, err, error = check(RECORDS, members=members)
    assert not out
    assert "problem: result.zip: expected one file named 'result.json' in the zip, found " in err
    assert error


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (RECORDS[:1] + RECORDS[2:], "input.json, line 2: the text has no prediction"),
        (RECORDS[:2] + RECORDS[3:], "input.json, line 3: the text has no prediction"),
        ([*RECORDS, RECORDS[3]], "result.zip, line 5: the text occurs more often than in input.json"),
        ([*RECORDS, {"text": "别的", "spo_list": []}], "result.zip, line 5: the text is not in input.json"),
        ([{"text": TEXTS[0]}, *RECORDS[1:]], 'result.zip, line 1: "spo_list" is missing'),
        (changed(object="李四"), 'result.zip, line 1: "object" of a triple is missing or not'),
        (changed(object={}, object_type={}), 'result.zip, line 1: "object" of \'导演\' has no "@value"'),
        (changed(subject_type=None), "line 1: \"subject_type\" of '导演' is missing or not a string"),
        (changed(object_type=None), "line 1: \"object_type\" of '导演' is missing or has other slots"),
        (changed(predicate="编剧"), "result.zip, line 1: predicate '编剧' is not in the schema"),
        (changed(subject_type="作品"), "subject type of '导演' is '作品', the schema has '影视作品'"),
        (changed(object_type={"@value": "作品"}), "'@value' type of '导演' is '作品', the schema has '人物'"),
        (
            changed(object={"@value": "李四", "inArea": "北美"}, object_type={"@value": "人物", "inArea": "地点"}),
            "predicate '导演' has no slot 'inArea' in the schema",
        ),
    ],
)
def test_each_problem_is_the_only_one_and_named(check, records, problem):
    out, err, error = check(records)
    assert not out
    assert problem in err
    assert err.count("\n") == 1
    assert "result.zip: not what the leaderboard takes" in error


def test_without_a_schema_only_the_form_counts(check):
    assert check(changed(predicate="编剧", subject_type="人"), schema=False)[2] is None


def test_empty_strings_are_a_warning(check):
    out, err, error = check(changed(subject=""))
    assert (out, error) == ("OK: 4 records, 3 triples\n", None)
    assert err == "warning: result.zip, line 1: an empty subject or object\n"


def test_repeated_problems_are_counted_and_many_kinds_cut_short(check):
    unknown = [{"text": f"别的{i}", "spo_list": [{**DIRECTOR, "predicate": f"关系{i}"}]} for i in range(12)]
    _, err, _ = check([*RECORDS, *unknown])
    lines = err.splitlines()
    assert lines[0] == "problem: result.zip, line 5: the text is not in input.json (12 times)"
    assert len(lines) == 11
    assert lines[-1] == "problem: and 3 more kinds"


def test_a_blank_line_ends_the_check(check):
    _, err, error = check(dump(RECORDS[:1]) + "\n" + dump(RECORDS[1:]), members=("other.json",))
    assert err.count("\n") == 1
    assert "result.zip, line 2: blank line" in error


def test_official_labels_would_be_taken(shared, call, capsys):
    data = shared / "data/duie"
    call(main, "--input", data / "dev.json", "--predictions", data / "dev.json", "--schema", data / "schema.json")
    assert capsys.readouterr().out.startswith("OK: 8000 records, ")
