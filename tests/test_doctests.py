"""The examples in docstrings give what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = [
    path
    for pattern in ("common/*.py", "*_extraction/*.py", "reading_comprehension/*.py", "e*/*/*.py", "data/*.py")
    for path in REPOSITORY.glob(pattern)
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_examples_of_a_file(path):
    done = subprocess.run([sys.executable, "-m", "doctest", path], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_examples():
    assert FILES
