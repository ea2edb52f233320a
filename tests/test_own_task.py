"""docs/own_task.md: its commands make examples/named_entities/ out of event extraction, and it shows that code."""

import re
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "own_task.md").read_text(encoding="utf-8")
EXAMPLE = REPOSITORY / "examples" / "named_entities"


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


def test_its_commands_give_the_example(tmp_path):
    for name in ("docs", "event_extraction", "examples"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for command in re.findall("^(?:cp|rm|git) .*my_entities.*$", PAGE, re.MULTILINE):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    ours, theirs = files(tmp_path / "my_entities"), files(EXAMPLE)
    assert ours.keys() == theirs.keys()
    for name, content in theirs.items():
        assert ours[name] == content, name


def test_it_shows_the_files_as_they_are():
    shown = re.findall(r"(?:`|<code>)([\w/]+\.\w+)(?:`|</code>)[^\n]*\n\n```(?:python|json)\n(.*?)```", PAGE, re.DOTALL)
    assert len(shown) == 9
    for name, content in shown:
        assert content == (EXAMPLE / name).read_text(encoding="utf-8"), name
