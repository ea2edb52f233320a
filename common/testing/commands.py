"""Calling commands, and what they are given and leave: files, a zip, a disk that is full. Needs pytest.

A test folder's conftest.py imports the fixtures by name.
"""

import contextlib
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.cli import run_command
from common.tokenizer import Tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared():
    """The folder with the research data and the published vocabulary, next to the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def tokenizer():
    return Tokenizer.from_vocab(REPOSITORY / "data" / "vocab.txt")


@pytest.fixture(scope="session")
def call():
    """Calls a command line in this process: call(main, "--key", value, ...). It ends as on the shell."""

    def call(main, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, arguments)])
            run_command(main)

    return call


@pytest.fixture
def check_zipped(tmp_path, call, capsys):
    """Calls check_submission.py with a zip of one file; returns standard output and error, and the exit code."""

    def check_zipped(content: str, *arguments: Any, member: str = "result.json") -> tuple[str, str, int]:
        import check_submission

        with zipfile.ZipFile(tmp_path / "result.zip", "w") as archive:
            archive.writestr(member, content)
        code = 0
        try:
            call(check_submission.main, "--predictions", tmp_path / "result.zip", *arguments)
        except SystemExit as exit:
            code = exit.code
        output = capsys.readouterr()
        return output.out, output.err.replace(f"{tmp_path}/", ""), code

    return check_zipped


def write(folder: Path, files: dict[str, str | bytes | None]) -> None:
    """Writes files by name; None removes one."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@contextlib.contextmanager
def disk_full(size: int = 0) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
