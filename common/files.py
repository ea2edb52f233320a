"""Reading and writing data files: line numbers in errors, constant memory, no half-written file, zip.

A path of "-" is standard input or output. Every mistake of the user is a `UserError` that names the file.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar

from common.cli import DISK_FULL, UserError

T = TypeVar("T")
# A lone surrogate ("\ud800", legal in JSON) has no UTF-8 form: this error handler writes JSON's escape of it.
_TEXT_FORMAT = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
MOST_PACKED = 100  # times its size in the zip that text has; official lines have 5 to 20


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line with its end) of a text file, one line in memory at a time.

    Raises UserError for a missing, unreadable or empty file and bad UTF-8.
    """
    with _open_bytes(path) as file:
        yield from _decoded(file, _name(path), "a text")


def read_jsonl(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, parsed value) of a JSON-lines file, one line in memory at a time.

    Raises UserError for a missing, unreadable or empty file, a blank line, bad UTF-8 and broken JSON.
    """
    with _open_bytes(path) as file:
        yield from _parse_lines(file, _name(path))


def read_submission_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """`read_jsonl` that also takes a leaderboard's zip (a name ending in .zip) holding exactly one file."""
    with _open_submission(path) as file:
        yield from _parse_lines(file, _name(path))


def peeked(items: Iterator[T]) -> Iterator[T]:
    """The same items, of which the first is read now: a file that is wrong from the start is found at once."""
    return chain([next(items)], items)


def read_json(path: str | Path) -> Any:
    """The one JSON value of a plain or, as for `read_submission_lines`, zipped file. Raises UserError."""
    name = _name(path)
    with _open_submission(path) as file:
        content = file.read()
    if not content.strip():
        raise UserError(f"{name}: empty file, expected JSON")
    try:
        return _loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"{name}, line {error.lineno}"
        raise UserError(f"{where}: not JSON ({error.msg}, column {error.colno})") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}: not UTF-8") from None
    except (ValueError, RecursionError) as error:  # see `_loads`
        raise UserError(f"{name}: not readable as JSON ({error})") from None


def write_jsonl(path: str | Path, records: Iterable[Any]) -> None:
    """Write one JSON value per line as `records` yields them; see `atomic_write` for `path` and errors."""
    with atomic_write(path) as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Prints them, whatever is in them, as UTF-8."""
    with atomic_write("-") as file:
        print(*lines, sep="\n", file=file)


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON value, indented; see `atomic_write` for `path` and errors."""
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[str]]:
    """A text file (UTF-8, "\\n") that appears under its name only when the block ends without an exception.

    `NAME.zip` becomes a zip of exactly one file, `NAME` with `.json` at its end. "-" is standard output.
    Raises UserError where `check_output_path` does, and for a full disk.
    """
    check_output_path(path)
    if str(path) == "-":
        sys.stdout.reconfigure(**_TEXT_FORMAT)
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null or a pipe: written to, never replaced
        with _named(path), path.open("w", **_TEXT_FORMAT) as file:
            yield file
        return
    with replaced(path) as temporary, _open_text(temporary, path.name) as file:
        yield file


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write to, whose file becomes `path` if the block ends without an exception.

    It is on the disk before it gets the name, so whatever happens, `path` is the old file or the new one, whole.
    Raises UserError for a full disk.
    """
    temporary = _temporary(path)
    try:
        with _named(path):
            yield temporary
            flush(temporary)
            temporary.replace(path.resolve())
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """A full disk is a UserError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(f"{path}: cannot be written ({os.strerror(error.errno)})") from None


def flush(path: Path) -> None:
    """Waits until what was written to a file is on the disk: a power failure empties files whose name is there."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def check_output_path(path: str | Path, *inputs: str | Path) -> None:
    """Raise UserError if `atomic_write(path)` could not write (no such folder, itself one, not writable), or would
    write over a file that is read.
    """
    if str(path) == "-":
        return
    path = Path(path)
    try:
        if path.is_file() and any(os.path.isfile(name) and path.samefile(name) for name in inputs):
            raise UserError(f"{path}: is an input, too; expected another name to write to")
        if path.is_dir():
            raise UserError(f"{path}: is a folder, expected the name of a file to write")
        if not path.parent.is_dir():
            raise UserError(f"{path}: no such folder: {path.parent}")
        if path.exists() and not os.access(path, os.W_OK):
            raise UserError(f"{path}: not writable")
        if path.is_file() or not path.exists():
            # Trying finds what permission bits do not tell: a read-only mount, a name too long.
            _temporary(path).touch()
            _temporary(path).unlink()
    except OSError as error:
        raise UserError(f"{path}: not writable ({error.strerror})") from None


def make_folder(path: str | Path) -> None:
    """Makes a folder and those above it, where they are not there. Raises UserError if it cannot."""
    if not str(path):
        raise UserError("a folder without a name cannot be made")
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made a folder ({error.strerror})") from None


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write files to, which becomes `path` if the block ends without an exception, and else is removed.

    Raises UserError where `path` exists or cannot be made, and for a full disk.
    """
    if os.path.lexists(path):
        raise UserError(f"{path}: exists already")
    temporary = path.resolve().with_name(f".{path.name}.tmp")  # always the same: what a kill has left goes, too
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror})") from None
    try:
        with _named(path):
            yield temporary
            for file in temporary.iterdir():
                flush(file)
            temporary.rename(path)
    except UserError as error:
        raise UserError(str(error).replace(str(temporary), str(path))) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """In the folder of the file itself, not of a link to it: a rename is atomic within a file system only."""
    target = path.resolve()
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


@contextlib.contextmanager
def _open_text(path: Path, name: str) -> Iterator[IO[str]]:
    """Open `path` for writing in the format that the final `name` asks for."""
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
                raise UserError(f"{path}: not unpacked: {size} bytes from {packed} are no text")
            with archive.open(members[0]) as member:
                yield member


@contextlib.contextmanager
def open_zip(path: str | Path, file: IO[bytes] | None = None) -> Iterator[zipfile.ZipFile]:
    """A zip to read from, and what is in it. Raises UserError for one that is damaged, encrypted or compressed in a
    way that Python does not know.
    """
    try:
        with zipfile.ZipFile(file or path) as archive:
            yield archive
    except UserError:
        raise
    except Exception as error:  # `zipfile` and its decompressors have no error in common
        raise UserError(f"{path}: not a readable zip ({error or type(error).__name__})") from None


def _decoded(lines: Iterable[bytes], name: str, expected: str) -> Iterator[tuple[int, str]]:
    number = 0
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: not UTF-8 (byte {error.start + 1})") from None
        yield number, text
    if number == 0:
        raise UserError(f"{name}: empty file, expected {expected} per line")


def _loads(text: str) -> Any:
    """A JSON value. Raises ValueError, also for a number too long and a key twice in one object, of which Python would
    keep the last; RecursionError for brackets too deep.
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"{key!r} twice in one object")
    return values


def _parse_lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, Any]]:
    for number, text in _decoded(lines, name, "one JSON value"):
        if not text.strip():
            raise UserError(f"{name}, line {number}: blank line, expected a JSON value")
        try:
            value = _loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{name}, line {number}: not JSON ({error.msg}, column {error.colno})") from None
        except (ValueError, RecursionError) as error:  # see `_loads`
            raise UserError(f"{name}, line {number}: not readable as JSON ({error})") from None
        yield number, value
