"""Tests of a report's page: it holds what it was given, and nothing in it can run or be loaded from elsewhere."""

import base64
import hashlib
import re

import pytest

from common import fonts
from common.cli import UserError
from common.report import Fact, Item, Part, Report, Table, by_size, render, write
from common.testing.runs import parse_report

HOSTILE = [
    "<script>alert(1)</script></script><!--", "</ScRiPt ><img src=x onerror=alert(1)>", "<!--<script>",
    "-->]]>&lt;&amp;", "{{data}}{{digest}}", "a\u2028b\u2029c\x00\x7f\ufffe", '"\\"\\u003c', "𠮷👍\ud800",
]  # fmt: skip


def report(*texts, history=()):
    items = [Item(text, [Fact("wrong", text, [Part(text, text, [(0, 1)])], text)], text, text) for text in texts]
    tables = [Table("labels", "By label", ("precision", "f1"), [(text, 0.5, 0.25, 3) for text in texts])]
    return Report("T", {"f1": 0.25}, {"wrong": "wrong"}, tables, items, history)


def test_hostile_texts_come_out_as_they_went_in():
    plain, hostile = (parse_report(render(report(*texts))) for texts in (["好"], HOSTILE))
    assert [item[0] for item in hostile[0]["items"]] == HOSTILE
    text = HOSTILE[0]
    assert hostile[0]["items"][0] == [text, [["wrong", text, [[text, text, [[0, 1]]]], text]], text, text]
    assert [row[0] for row in hostile[0]["tables"][0]["rows"]] == HOSTILE
    assert hostile[1].elements == plain[1].elements
    assert hostile[1].scripts[""] == plain[1].scripts[""]


def test_the_page_needs_nothing_and_runs_its_own_script_only():
    page = render(report("好"))
    _, parser = parse_report(page)
    assert not re.search(r"https?:|//\w|@import|url\(|innerHTML|insertAdjacentHTML|document\.write|eval\(", page)
    assert not [name for _, attributes in parser.elements for name in attributes if name in ("src", "href", "style")]
    assert not [name for _, attributes in parser.elements for name in attributes if name.startswith("on")]
    (policy,) = [attributes["content"] for _, attributes in parser.elements if "http-equiv" in attributes]
    digest = base64.b64encode(hashlib.sha256(parser.scripts[""].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_a_diverged_loss():
    history = [{"epoch": 1, "loss": float("nan"), "f1": 0.0}]
    assert parse_report(render(report("好", history=history)))[0]["history"] == [{"epoch": 1, "loss": None, "f1": 0.0}]


def test_files(tmp_path, monkeypatch):
    monkeypatch.setattr("common.plots.find_font", lambda: "DejaVu Sans")  # not every machine has a Chinese font
    history = [{"epoch": epoch, "loss": 2.0, "f1": 0.1, "seconds": 1.0} for epoch in (1, 2)]
    write(report("a $b_ \x01" * 9, "\ud800", history=history), tmp_path / "new" / "report")
    files = sorted((tmp_path / "new" / "report").iterdir())
    assert [file.name for file in files] == ["curves.png", "labels.png", "report.html"]
    assert all(file.read_bytes()[:4] == b"\x89PNG" for file in files[:2])


def test_without_a_font_the_page_is_whole(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fonts, "FONTS", ("none",))
    monkeypatch.setattr(fonts.font_manager, "findSystemFonts", list)
    write(report("好"), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert parse_report((tmp_path / "report.html").read_text(encoding="utf-8"))[0]["items"][0][0] == "好"
    error = capsys.readouterr().err
    assert error.startswith(f"note: {tmp_path / 'labels.png'} is left out: no font with Chinese characters")
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("file", "file/report"):
        with pytest.raises(UserError, match=f"{folder}: the folder cannot be made"):
            write(report("好"), tmp_path / folder)


def test_parts_by_size():
    assert by_size([5, 0, 1, 2, 3, 9], int, (1, 2, 4)) == {"0": [0], "1": [1], "2-3": [2, 3], "4 and more": [5, 9]}
