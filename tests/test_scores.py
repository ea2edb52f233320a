"""docs/scores.py: the tables of scores in the READMEs come from finished runs."""

import json
import sys
from datetime import date
from pathlib import Path

import pytest

from common.cli import UserError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs"))

import scores

ROW = {"task": "relation_extraction", "config": "small.json", "set": {"head": "pair", "epochs": 3}}


def row(f1, **changes):
    scored = {"scores": {"precision": 0.5, "recall": 0.25, "f1": f1}, "machine": "a laptop", "date": "2026-11-26"}
    return ROW | scored | changes


def test_the_documents_have_the_tables_of_the_runs():
    for document, table in scores.tables(json.loads(scores.SCORES.read_text(encoding="utf-8"))).items():
        assert scores.TABLE.findall(document.read_text(encoding="utf-8")) == [table], "run: python docs/scores.py"


def test_only_a_finished_run_gives_scores(tmp_path):
    run = row(0.25)
    scores.take_scores(run, tmp_path)
    assert run == row(0.25)
    (tmp_path / "metrics.json").write_text('{"dev": {"f1": 0.75}, "threshold": 0}', encoding="utf-8")
    scores.take_scores(run, tmp_path)
    assert run["scores"] == {"f1": 0.75}
    assert run["date"] == str(date.today())


def test_the_overview_compares_the_encoders():
    pair = [row(0.25), row(0.375, config="bundled.json")]
    alone = [row(0.5, set={"head": "pointer", "epochs": 7})]
    titles, _, *rows = scores.overview(pair + alone, scores.ENGLISH).splitlines()
    assert titles.startswith("| task | trained on |")
    assert len(rows) == 1
    assert rows[0].endswith("| 3 | pair | 0.250 | **0.375** |")


def test_a_table_goes_between_its_markers(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- scores -->\nold\n<!-- end of scores -->\nb\n", encoding="utf-8")
    scores.write_table(page, scores.details([row(0.25)]))
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[2] == "| config | head | epochs | precision | recall | F1 | measured |"
    assert lines[4] == "| `small.json` | pair | 3 | 0.500 | 0.250 | 0.250 | 2026-11-26, a laptop |"
    assert (lines[:2], lines[5:]) == (["a", "<!-- scores -->"], ["<!-- end of scores -->", "b"])
    page.write_text("no markers\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"README\.md: expected the lines <!-- scores -->"):
        scores.write_table(page, "")
