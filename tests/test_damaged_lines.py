"""Runs tests/stress/damaged_lines.py with few lines."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "stress"))

from damaged_lines import FORMATS, damage_format


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_line_has_an_answer_or_one_clear_error(name):
    counts, faults = damage_format(FORMATS[name], lines=300, seed=1)
    assert faults == []
    assert min(counts["answers"], counts["errors"]) > 9
