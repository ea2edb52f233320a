"""What is said of files in another form than the expected one."""

import json
import re

import pytest

from common.cli import UserError
from common.files import read_json, read_jsonl, read_lines, read_values
from common.forms import origin

TEXT = "何川在台上，全场都很安静"
LINES = "expected one JSON object per line"


def refused(read, path, content):
    """Write a file, read it to its end, and return the error message without the file's name."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        list(read(path))
    return str(error.value).removeprefix(f"{path}")


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        ("[\n  {}\n]\n", f"one JSON array over several lines, {LINES} (jq -c '.[]' FILE > NEW)"),
        ("[{},\n{}]\n", "one JSON array over several lines"),
        ('[{"text": ""}, {}]\n', f"{LINES}, found an array of 2 on one line (jq -c '.[]' FILE > NEW)"),
        ('{\n  "text": ""\n}\n', f"a JSON object over several lines, {LINES} (jq -c . FILE > NEW)"),
        ('{"text": "",\n "id": 1}\n', "a JSON object over several lines"),
        ("{'text': '何'}\n", f"Python's notation with single quotes, {LINES} (write it with json.dumps)"),
        ("[{'text': '何'}]\n", "Python's notation with single quotes"),
        ('{"text": None}\n', "; found 'None}"),
        ('{"text": ""},\n{"text": ""}\n', f"a comma after the object, {LINES} and nothing else"),
        ('{"text": ""}\r{"text": ""}\r', f"lines end in carriage returns alone, {LINES} (tr"),
        ('{"text": "a', "; the line ends before the value does"),
        ('{"text": "a\nb"}\n', "; the line ends before the value does"),
        ('{“text”: "何"}\n', "; found '“text”"),
        ('{"text": ""} // a\n', "; found '// a"),
        ("text\tlabel\n", "; found 'text\\tlabel"),
        ("<annotation>\n", "; found '<annotation>"),
        ("T1\t人物 0 2\t何川\n", "this looks like an export of brat"),
        ("何 B-人物\n川 I-人物\n", "this looks like an export with a character and its tag on each line"),
        ("何\tO\n", "this looks like an export with a character and its tag on each line"),
        (f'{{"text": "{TEXT}"}}\n'.encode("gb18030"), "it seems to be GBK, convert it with: iconv -f GB18030 -t UTF-8"),
        ('{"text": "臺灣大學在臺北市"}\n'.encode("big5"), "it seems to be BIG5, convert it with: iconv -f BIG5"),
        ('{"text": "何川"}\n'.encode("utf-16"), "it is UTF-16, convert it with: iconv -f UTF-16 -t UTF-8"),
        ('{"text": "何川"}\n'.encode("utf-16-le"), "it is UTF-16LE, convert it with: iconv -f UTF-16LE -t UTF-8"),
        ('{"text": "何川"}\n'.encode("utf-16-be"), "it is UTF-16BE, convert it with: iconv -f UTF-16BE -t UTF-8"),
        ('{"text": "何川"}\n'.encode("utf-32"), "it is UTF-32, convert it with"),
    ],
)
def test_lines_of_another_form(content, cure, tmp_path):
    error = refused(read_jsonl, tmp_path / "a.json", content)
    assert error.startswith(", line 1: ")
    assert cure in error


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        ("{'epochs': 1}", "Python's notation with single quotes (write it with json.dump)"),
        ('{"a": 1}\n{"a": 1}\n', ", line 2: not JSON (Extra data, column 1); these are JSON lines, expected one JSON"),
        ('{\n"a": [1', "; the file ends before the value does"),
        ('{\n"a": "b', "(Unterminated string starting at, column 6); the file ends before the value does"),
        (
            '{\n"a": 1, // b\n}',
            ", line 2: not JSON (Expecting property name enclosed in double quotes, column 9); found",
        ),
        ('{\n"a"：1}', ", line 2: not JSON (Expecting ':' delimiter, column 4); found '：1}'"),
        ("a: 1\n", "; found 'a: 1"),
        (f'{{\n"a": "{TEXT}"}}'.encode("gbk"), ", line 2: not UTF-8; it seems to be GBK, convert it with: iconv -f GB"),
        ('{"a": "何"}'.encode("utf-16"), ", line 1: not UTF-8; it is UTF-16, convert it with: iconv -f UTF-16"),
        (b"PK\x03\x04", ", line 1: not data but a zip; unpack it with: unzip FILE"),
    ],
)
def test_one_value_of_another_form(content, cure, tmp_path):
    assert cure in refused(read_json, tmp_path / "a.json", content)


def test_big5_and_gbk_are_told_apart(tmp_path):
    for encoding, text in [("GB18030", TEXT), ("GB18030", "在"), ("BIG5", "我們在臺北"), ("BIG5", "這是一本書")]:
        error = refused(read_lines, tmp_path / "a.txt", text.encode(encoding))
        assert f"iconv -f {encoding} -t UTF-8" in error
    assert "iconv" not in refused(read_lines, tmp_path / "a.txt", "Übergrößenträger".encode("latin-1"))


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"[1,\n2]", [[1, 2]]),
        (b"1\n2\n\n", [1, 2]),
        (b"\xef\xbb\xbf{}\r\n[]\r\n", [{}, []]),
        (b"{}\n\n", [{}]),
        (b'[{"a": 1}]\n', [[{"a": 1}]]),
    ],
)
def test_one_value_or_one_on_each_line(content, values, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    assert read_values(tmp_path / "a.json") == values


def test_broken_values_name_their_line(tmp_path):
    assert refused(read_values, tmp_path / "a.json", '{}\n{"a"}\n').startswith(", line 2: not JSON")
    assert refused(read_values, tmp_path / "a.json", '{\n"a"}\n').startswith(", line 2: not JSON")
    assert refused(read_values, tmp_path / "a.json", " \n") == ": empty file, expected JSON"


EXPORTS: dict[str, list[dict]] = {
    "doccano": [
        {"id": 7, "text": "何川", "entities": [{"id": 0, "start_offset": 0, "end_offset": 2, "label": "人物"}]},
        {"text": "何川", "entities": [], "relations": [{"id": 0, "from_id": 2, "to_id": 0, "type": "子女"}]},
        {"id": 7, "text": "何川", "label": [[0, 2, "人物"]]},
        {"id": 7, "data": "何川", "label": [[0, 2, "人物"]]},
        {"text": "何川", "labels": [[0, 2, "人物"]]},
        {"text": "何川", "annotations": [{"label": 1, "start_offset": 0, "end_offset": 2, "user": 1}]},
        {"text": "何川", "annotations": [], "annotation_approver": None},
    ],
    "Label Studio": [
        {"id": 1, "annotations": [{"result": []}], "data": {"text": "何川"}},
        {"id": 1, "completions": [], "data": {"text": "何川"}},
        {"id": 1, "text": "何川", "label": [{"start": 0, "end": 2}], "annotator": 1, "annotation_id": 1},
    ],
    "Prodigy": [{"text": "何川", "_input_hash": 1, "spans": [], "answer": "accept"}],
    "精灵标注助手": [{"content": "何川", "outputs": {"annotation": {"T": [""], "E": [""]}}, "labeled": True}],
}


@pytest.mark.parametrize(("tool", "record"), [(tool, record) for tool in EXPORTS for record in EXPORTS[tool]])
def test_exports_of_annotation_tools(tool, record, tmp_path):
    said = f"; this looks like an export of {tool}, expected the form that the README shows"
    assert origin(record) == said
    error = refused(read_jsonl, tmp_path / "a.json", json.dumps([record, record]))
    assert error == f", line 1: {LINES}, found an array of 2 on one line{said}"


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "doccano",
        {},
        {"text": "何川"},
        {"text": "何川", "label": {"name": {"何川": [[0, 1]]}}},
        {"text": "何川", "label": "0", "entities": [], "relations": "子女", "labels": None, "annotations": [1]},
        {"text": "何川", "spo_list": [], "id": 1, "event_list": []},
        {"data": [{"paragraphs": []}], "annotations": []},
    ],
)
def test_what_is_no_export(record):
    assert origin(record) == ""


SHARED = {
    "array": "over several lines",
    "array1": "found an array of 1 on one line",
    "gbk": "iconv -f GB18030",
    "pretty": "a JSON object over several lines",
    "python": "json.dumps",
    "utf16": "iconv -f UTF-16",
}


def test_the_shared_files(shared):
    folder = shared / "cases" / "json_or_lines"
    for path in [*folder.glob("[!c]*.json*"), folder / "crlf_bom.json"]:
        if message := SHARED.get(path.stem):
            with pytest.raises(UserError, match=f"line 1: .*{re.escape(message)}"):
                list(read_jsonl(path))
        else:
            assert len(list(read_jsonl(path))) == 1
