"""Tests that the documents' commands exist with the options shown, and run if they need only the repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("", "docs/", "data/", "data/encoders/*/", "benchmarks/", "tests/stress/", "[a-z]*_*/", "e*/*/")
DOCUMENTS = sorted(path for folder in FOLDERS for path in REPOSITORY.glob(f"{folder}*.md"))
# A command with one of these is not run. It needs official data, an encoder or texts from elsewhere, or is this test.
NEEDS_MORE = ("data/duie", "base.json", "bundled.json", "dev_predictions", "make test")
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[str]:
    """Return the commands in the document's code blocks without a language. A command on several lines is joined."""
    blocks = BLOCK.findall(document.read_text(encoding="utf-8"))
    text = re.sub(r"\\\n +|\n +(?=\[--)", " ", "".join(block for _, language, block in blocks if not language))
    lines = (re.sub(r"^ *TF_CONFIG='.*?' +|  +#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if re.match(r"(make|cp|(\.venv/bin/)?python) ", line)]


@cache
def options_of(*command: str) -> set[str]:
    """Return the options that the command's help lists. The docstring, printed before them, may mention others."""
    done = subprocess.run([sys.executable, *command, "--help"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.rpartition("\noptions:\n")[2]
    return set(re.findall(r"^  (?:-\w, )?(--[a-z][\w-]*)", listed, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands_exist_with_these_options(document):
    for command in commands(document):
        if command.startswith("make "):
            wanted = {word for word in command.split()[1:] if "=" not in word}
            assert wanted <= TARGETS, command
        found = re.match(r"(?:\.venv/bin/)?python (\S+\.py)((?: +[a-z]+(?= +--))?)", command)
        if not found or not (REPOSITORY / found[1]).exists():  # belongs to a copied folder
            assert not found or "my_" in found[1], command
            continue
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", command))
        assert options <= options_of(found[1], *found[2].split()), command


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        prose = BLOCK.sub("", document.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_both_readmes_have_the_same_commands_and_figures():
    english, chinese = (REPOSITORY / name for name in ("README.md", "README.zh.md"))
    assert commands(english) == commands(chinese)
    figures = [re.findall(r"\d+\.\d+", path.read_text(encoding="utf-8")) for path in (english, chinese)]
    assert sorted(figures[0]) == sorted(figures[1])


@pytest.mark.slow
def test_what_needs_only_the_repository_runs_as_printed(tmp_path):
    if not (REPOSITORY / ".venv" / ".installed").exists():
        pytest.skip("needs `make install`")
    copy = tmp_path / "copy"
    shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__"))
    (copy / ".venv").symlink_to(REPOSITORY / ".venv")
    os.utime(copy / "requirements.txt", (0, 0))  # make must not install the copy into the shared .venv
    run = [command for command in commands(copy / "README.md") if not any(word in command for word in NEEDS_MORE)]
    assert len(run) == 4
    environment = os.environ | {"PATH": f"{copy / '.venv' / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(copy)}
    for command in run:
        done = subprocess.run(shlex.split(command), cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if "--text" in command:
            assert "→" in done.stdout
    assert (copy / "runs" / "my_task" / "demo" / "metrics.json").exists()
