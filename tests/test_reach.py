"""Tests of what is printed about gold that is out of reach."""

import pytest

from common.cli import note_not_in_text
from common.reach import Reach


def filled(reached, lost, strings=("何川",), text="何川见江月"):
    reach = Reach()
    for number in range(reached + lost):
        reach.add(f"line {number}", strings, number < reached, text.__contains__)
    return reach


@pytest.mark.parametrize(
    ("reached", "lost", "share", "warns"),
    [(4, 0, "0.00 %", False), (19, 1, "5.00 %", False), (18, 1, "5.26 %", True)],
)
def test_more_than_one_in_twenty_gives_a_warning(reached, lost, share, warns, capsys):
    filled(reached, lost).print("dev.json", "triples")
    output = capsys.readouterr()
    assert output.out == f"  out of reach: {lost} of {reached + lost} triples ({share})\n"
    assert output.err.startswith("warning: dev.json: 1 of 19 triples") == warns
    assert bool(output.err) == warns


def test_a_file_without_gold_gives_a_warning(capsys):
    Reach().print("dev.json", "triples")
    assert capsys.readouterr() == (
        "  out of reach: 0 of 0 triples (0.00 %)\n",
        "warning: dev.json: has no triples, so every prediction scores 0\n",
    )


@pytest.mark.parametrize(
    ("strings", "cause", "shown"),
    [
        (["何川", "江月 "], "white space at an edge", "'江月 '"),
        (["\n何川"], "white space at an edge", r"'\n何川'"),
        (["何川", "東山"], "not in the text", "'東山'"),
        ([""], "not in the text", "''"),
        (["何川", "江月"], "in the text, but", "'何川'"),
        (["山" * 99], "not in the text", f"'{'山' * 20}...{'山' * 20}'"),
    ],
)
def test_the_likely_cause_is_named_and_three_examples(strings, cause, shown, capsys):
    filled(0, 5, strings, "何川见江月" if "" not in strings else ()).print("dev.json", "triples")
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: dev.json: 5 of 5 triples (100.00 %) are out of reach")
    assert line.startswith(f"  5 {cause}")
    assert line.endswith(f": line 0 {shown}, line 1 {shown}, line 2 {shown}")


def test_causes_that_are_frequent_come_first(capsys):
    reach = filled(0, 1, ["東山"])
    for number in (7, 8):
        reach.add(f"line {number}", ["何川 "], False, "何川".__contains__)
    reach.print("dev.json", "triples")
    assert [line[:3] for line in capsys.readouterr().err.splitlines()[1:]] == ["  2", "  1"]


def test_gold_strings_that_are_not_in_their_text(capsys):
    note_not_in_text("gold.json", [("line 1", "何川", True)])
    assert capsys.readouterr() == ("", "")
    note_not_in_text(
        "gold.json", iter([("line 1", "何川", True), ("line 2", "川\ud800", False), ("line 3", "", False)])
    )
    assert capsys.readouterr().err == (
        "note: gold.json: 2 of 3 gold strings (66.67 %) equal no part of their text, so no span matches them; "
        "first: line 2 '川\\ud800'\n"
    )
