"""Reads and writes data files, plain or zipped.

Lines are read one at a time, and an error names the file and the line. No file is ever left half-written. The path "-"
stands for standard input or output. Every mistake of the user is a `UserError`.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypedDict, TypeVar

from common.cli import DISK_FULL, UserError
from common.parsing import decoded, is_json, parse_lines, parse_value

T = TypeVar("T")
MOST_PACKED = 100  # a file in a zip that grows by more than this is not unpacked; official lines grow by 5 to 20


class _TextFormat(TypedDict):
    """Arguments of `open` for a text file."""

    encoding: str
    errors: str
    newline: str


# A lone surrogate ("\ud800", legal in JSON) has no UTF-8 form. This error handler writes JSON's escape for it.
_TEXT_FORMAT: _TextFormat = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its line end) of a text file, one line in memory at a time.

    Raises UserError if the file is missing, unreadable, empty or not UTF-8.
    """
    with _open_bytes(path) as file:
        yield from decoded(file, _name(path), "a text")


def read_jsonl(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, parsed value) of a JSON-lines file, one line in memory at a time.

    Raises UserError if the file is missing, unreadable, empty or not UTF-8, and for a line that is blank or not JSON.
    Blank lines at the end are accepted.
    """
    with _open_bytes(path) as file:
        yield from _json_lines(file, path)


def read_submission_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Read lines as `read_jsonl` does, also from a zip for the leaderboard (NAME.zip with exactly one file in it)."""
    with _open_submission(path) as file:
        yield from _json_lines(file, path)


def peeked(items: Iterator[T]) -> Iterator[T]:
    """Read the first item now and return all items, so that a file with a fault at its start is found at once."""
    return chain([next(items)], items)


def read_json(path: str | Path) -> Any:
    """Read a file that holds one JSON value, plain or zipped as in `read_submission_lines`. Raises UserError."""
    return parse_value(_content(path), _name(path))


def read_values(path: str | Path) -> list[Any]:
    """Read a file that holds one JSON value, or one on each line, plain or zipped. Raises UserError."""
    content = _content(path)
    first, _, rest = content.partition(b"\n")
    if rest.strip() and is_json(first):
        return [value for _, value in _json_lines(io.BytesIO(content), path)]
    return [parse_value(content, _name(path))]


def write_jsonl(path: str | Path, records: Iterable[Any]) -> None:
    """Write each record as one line of JSON as soon as it comes; see `atomic_write` for `path` and errors."""
    with atomic_write(path) as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Print the lines as UTF-8, whatever characters they contain."""
    with atomic_write("-") as file:
        print(*lines, sep="\n", file=file)


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON value, indented; see `atomic_write` for `path` and errors."""
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file (UTF-8, "\\n") that gets its name only if the `with` block ends without an exception.

    `NAME.zip` or `NAME.json.zip` becomes a zip with exactly one file, `NAME.json`. "-" is standard output.
    Raises UserError as `check_output_path` does, and if the disk is full.
    """
    check_output_path(path)
    if str(path) == "-":
        assert isinstance(sys.stdout, io.TextIOWrapper)
        sys.stdout.reconfigure(**_TEXT_FORMAT)
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null or a pipe is written to and never replaced
        with _reporting_full_disk(path), path.open("w", **_TEXT_FORMAT) as file:
            yield file
        return
    with replaced(path) as temporary, _open_text(temporary, path.name) as file:
        yield file


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to. Its file becomes `path` if the `with` block ends without an exception.

    All of the file is on the disk before it gets its name. So whatever happens, `path` is the old file or the whole new
    one.
    Raises UserError if the disk is full.
    """
    temporary = _temporary(path)
    try:
        with _reporting_full_disk(path):
            yield temporary
            flush(temporary)
            temporary.replace(path.resolve())
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _reporting_full_disk(path: Path) -> Iterator[None]:
    """Turn the error of a full disk into a UserError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(f"{path}: cannot be written ({os.strerror(error.errno)})") from None


def flush(path: Path) -> None:
    """Wait until the content of a file is on the disk.

    Without this a power failure can leave a file that has its name but no content.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def check_output_path(path: str | Path, *inputs: str | Path) -> None:
    """Raise UserError if `atomic_write(path)` could not write, or would write over one of the input files.

    It cannot write if the folder does not exist, if `path` is a folder itself, or if it is not writable.
    """
    if str(path) == "-":
        return
    path = Path(path)
    try:
        if path.is_file() and any(os.path.isfile(name) and path.samefile(name) for name in inputs):
            raise UserError(f"{path}: is also an input; expected another name to write to")
        if path.is_dir():
            raise UserError(f"{path}: is a folder, expected the name of a file to write")
        if not path.parent.is_dir():
            raise UserError(f"{path}: no such folder: {path.parent}")
        if path.exists() and not os.access(path, os.W_OK):
            raise UserError(f"{path}: not writable")
        if path.is_file() or not path.exists():
            # Permission bits do not show a read-only mount or a name that is too long. An attempt does.
            _temporary(path).touch()
            _temporary(path).unlink()
    except OSError as error:
        raise UserError(f"{path}: not writable ({error.strerror})") from None


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, unless they exist. Raises UserError if that fails."""
    if not str(path):
        raise UserError("a folder without a name cannot be made")
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be made ({error.strerror})") from None


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to write files to. It becomes `path` if the `with` block ends without an exception.

    Otherwise it is removed. Raises UserError if `path` exists or cannot be made, and if the disk is full.
    """
    if os.path.lexists(path):
        raise UserError(f"{path}: exists already")
    temporary = path.resolve().with_name(f".{path.name}.tmp")  # always the same, so what a killed run left is removed
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror})") from None
    try:
        with _reporting_full_disk(path):
            yield temporary
            for file in temporary.iterdir():
                flush(file)
            temporary.rename(path)
    except UserError as error:
        raise UserError(str(error).replace(str(temporary), str(path))) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """Return a temporary name in the folder of the file itself, as a rename is atomic only within a file system."""
    target = path.resolve()
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


@contextlib.contextmanager
def _open_text(path: Path, name: str) -> Iterator[IO[str]]:
    """Open `path` for writing, zipped if the final `name` ends in .zip."""
    if not name.lower().endswith(".zip"):
        with path.open("w", **_TEXT_FORMAT) as file:
            yield file
        return
    member = name[: -len(".zip")].removesuffix(".json") + ".json"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w") as raw,
        io.TextIOWrapper(raw, **_TEXT_FORMAT) as file,
    ):
        yield file


def _name(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


@contextlib.contextmanager
def _open_bytes(path: str | Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        if sys.stdin is None:
            raise UserError("standard input is closed")
        yield sys.stdin.buffer
        return
    try:
        with Path(path).open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


@contextlib.contextmanager
def _open_submission(path: str | Path) -> Iterator[IO[bytes]]:
    with _open_bytes(path) as file:
        if not str(path).lower().endswith(".zip"):
            yield file
            return
        with open_zip(path, file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                raise UserError(f"{path}: expected exactly one file in the zip, found {len(members)}")
            size, packed = members[0].file_size, members[0].compress_size
            if size > 2**20 and size > MOST_PACKED * packed:
                raise UserError(f"{path}: not unpacked: {packed} bytes that grow to {size} cannot be text")
            with archive.open(members[0]) as member:
                yield member


@contextlib.contextmanager
def open_zip(path: str | Path, file: IO[bytes] | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip for reading, from its path or from an open file.

    Raises UserError, also while it is read in the `with` block, if it is damaged or encrypted, or if Python does not
    know its compression.
    """
    try:
        with zipfile.ZipFile(file or path) as archive:
            yield archive
    except UserError:
        raise
    except Exception as error:  # `zipfile` and its decompressors share no base class of errors
        raise UserError(f"{path}: not a readable zip ({error or type(error).__name__})") from None


def _json_lines(file: IO[bytes], path: str | Path) -> Iterator[tuple[int, Any]]:
    return parse_lines(decoded(file, _name(path), "one JSON value"), _name(path))


def _content(path: str | Path) -> bytes:
    with _open_submission(path) as file:
        content = file.read()
    if not content.strip():
        raise UserError(f"{_name(path)}: empty file, expected JSON")
    return content
