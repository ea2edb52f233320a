"""Tests that the commands in docs/own_task.md give examples/named_entities/, and that its excerpts are true."""

import re
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "own_task.md"
ORIGINAL, EXAMPLE = REPOSITORY / "event_extraction", REPOSITORY / "examples" / "named_entities"


def files(folder):
    """Return the contents of the files, but not what Python, pytest and hypothesis leave there."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = (name for name in names if not any(part.startswith((".", "__pycache__")) for part in name.parts))
    return {str(name): (folder / name).read_text(encoding="utf-8") for name in kept}


def test_its_commands_give_the_example(tmp_path):
    for folder in (ORIGINAL, REPOSITORY / "examples"):
        shutil.copytree(folder, tmp_path / folder.name)
    for command in re.findall("^(?:cp|rm) .*my_entities.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    ours, theirs = files(tmp_path / "my_entities"), files(EXAMPLE)
    assert ours.keys() == theirs.keys()
    for name, content in theirs.items():
        assert ours[name] == content, name


def test_its_excerpts_are_in_the_files():
    text = PAGE.read_text(encoding="utf-8")
    excerpts = re.findall(r"^From \[`(\S+)`\]\S+:\n\n```python\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    assert len(excerpts) == text.count("```python") == 4
    for name, excerpt in excerpts:
        assert excerpt in (EXAMPLE / name).read_text(encoding="utf-8"), name
