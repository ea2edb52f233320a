"""Calls commands, and prepares what they find: files, a zip, a full disk. Needs pytest.

A test folder's conftest.py imports the fixtures by name.
"""

import contextlib
import importlib
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.cli import run_command
from common.tokenizer import Tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]


def sibling(name: str) -> Any:
    """Import a module of the folder under test. Its conftest.py puts the folder on the path."""
    return importlib.import_module(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder ../shared with the research data and the published vocabulary, or skip the test."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_vocab(REPOSITORY / "data" / "vocab.txt")


@pytest.fixture(scope="session")
def call() -> Callable[..., None]:
    """Call a command line in this process: call(main, "--key", value, ...). A failure raises SystemExit."""

    def call(main: Callable[[], None], *arguments: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, arguments)])
            run_command(main)

    return call


@pytest.fixture
def check_zipped(tmp_path, call, capsys):
    """Call check_submission.py with a zip of one file. Returns standard output, standard error and the exit code."""

    def check_zipped(content: str, *arguments: Any, member: str = "result.json") -> tuple[str, str, int]:
        with zipfile.ZipFile(tmp_path / "result.zip", "w") as archive:
            archive.writestr(member, content)
        code = 0
        try:
            call(sibling("check_submission").main, "--predictions", tmp_path / "result.zip", *arguments)
        except SystemExit as exit:
            code = int(exit.code or 0)
        output = capsys.readouterr()
        return output.out, output.err.replace(f"{tmp_path}/", ""), code

    return check_zipped


def write(folder: Path, files: Mapping[str, str | bytes | None]) -> None:
    """Write files, name -> content. None removes a file."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@contextlib.contextmanager
def disk_full(size: int = 0) -> Iterator[None]:
    """Keep the files of this process from growing beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
