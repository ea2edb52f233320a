import io
import json
import os
import stat
import sys
import threading
import zipfile
from types import SimpleNamespace

import pytest

from common.cli import UserError
from common.files import (
    atomic_write,
    check_output_path,
    new_folder,
    read_json,
    read_jsonl,
    read_lines,
    read_submission_lines,
    write_jsonl,
)
from common.testing.commands import disk_full

RECORDS = [{"text": "春风又绿江南岸 😀\u2028\x00"}, ["行", 1.5, None], "", {"半": "\ud800"}]


def zip_of(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["out.json", "out.zip", "out.json.zip"])
def test_round_trip(tmp_path, name):
    path = tmp_path / name
    write_jsonl(path, iter(RECORDS))
    assert list(read_submission_lines(path)) == list(enumerate(RECORDS, start=1))
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_lines_are_read_with_their_ends(tmp_path):
    (tmp_path / "in.txt").write_bytes("\ufeff春\u2028风\r\n\n绿".encode())
    assert list(read_lines(tmp_path / "in.txt")) == [(1, "春\u2028风\r\n"), (2, "\n"), (3, "绿")]
    (tmp_path / "in.txt").write_bytes(b"a\n\xff")
    with pytest.raises(UserError, match="line 2: not UTF-8"):
        list(read_lines(tmp_path / "in.txt"))


def test_written_form(tmp_path):
    write_jsonl(tmp_path / "out.json", RECORDS)
    content = (tmp_path / "out.json").read_bytes()
    assert content.splitlines()[0] == '{"text": "春风又绿江南岸 😀\u2028\\u0000"}'.encode()
    assert content.endswith(b'{"\xe5\x8d\x8a": "\\ud800"}\n')  # UTF-8 has no form for it, so JSON escapes it


@pytest.mark.parametrize("name", ["a.zip", "a.json.zip", "a.ZIP"])
def test_zip_holds_one_json_file_and_is_the_same_each_time(tmp_path, name):
    path = tmp_path / name
    write_jsonl(path, [1] * 10_000)
    first = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a.json"]
        assert archive.read("a.json") == b"1\n" * 10_000
    assert len(first) < 1_000
    write_jsonl(path, [1] * 10_000)
    assert path.read_bytes() == first


@pytest.mark.parametrize("name", ["out.json", "out.zip"])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")

    def records():
        yield {"half": "written"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_jsonl(path, records())
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.json", "out.zip"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    with disk_full(50), pytest.raises(UserError, match=rf"{name}: cannot be written \(File too large\)"):
        write_jsonl(path, range(10_000))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_full_device_is_named():
    with pytest.raises(UserError, match=r"^/dev/full: cannot be written \(No space left on device\)$"):
        write_jsonl("/dev/full", range(10_000))


def test_what_is_read_is_not_written_over(tmp_path):
    read, link, hard, other = (tmp_path / name for name in ("read", "link", "hard", "other"))
    for path in (read, other):
        path.touch()
    link.symlink_to(read)
    hard.hardlink_to(read)
    for path in (read, link, hard, tmp_path / "." / "read"):
        with pytest.raises(UserError, match="is also an input"):
            check_output_path(path, other, read)
    for path in (other, tmp_path / "new", "-", "/dev/null"):
        check_output_path(path, read, tmp_path / "none", "-", path if str(path).startswith("/dev") else read)


def test_a_written_file_has_usual_permissions_and_links_are_kept(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link.json", tmp_path / "folder" / "target.json"
    link.symlink_to(target)
    write_jsonl(link, [1])
    target_mode, umask = stat.S_IMODE(target.stat().st_mode), os.umask(0)
    os.umask(umask)
    assert link.is_symlink()
    assert target.read_text() == "1\n"
    assert target_mode == 0o666 & ~umask


def test_pipes_are_written_to_and_not_replaced(tmp_path):
    path, received = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_text()), daemon=True)
    reader.start()
    write_jsonl(path, [1, 2])
    reader.join(10)
    assert received == ["1\n2\n"]
    assert path.is_fifo()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/out.json", "no such folder"),
        ("file/out.json", "no such folder"),
        ("", "is a folder"),
        ("x" * 255, "not writable"),
    ],
)
def test_output_that_cannot_be_written_is_found_before_the_work(tmp_path, name, message):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=message):
        check_output_path(tmp_path / name)
    with pytest.raises(UserError, match=message), atomic_write(tmp_path / name):
        pytest.fail("the block must not be entered")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_check_output_path_leaves_no_trace(tmp_path):
    check_output_path(tmp_path / "out.json")
    check_output_path("-")
    assert not list(tmp_path.iterdir())


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new"

    def write_new(interrupted=False):
        (tmp_path / ".new.tmp").mkdir()  # as if left behind by a killed process
        with new_folder(path) as folder:
            (folder / "a").write_bytes(bytes(100))
            assert not path.exists()
            if interrupted:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(interrupted=True)
    with disk_full(50), pytest.raises(UserError, match=r"new: cannot be written \(File too large\)"):
        write_new()
    with disk_full(50), pytest.raises(UserError, match=r"/new/b: cannot be written"), new_folder(path) as folder:
        write_jsonl(folder / "b", ["x" * 100])
    assert not list(tmp_path.iterdir())
    write_new()
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")] == ["new", "new/a"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "folder: exists already"),
        ("link", "link: exists already"),
        ("none/new", r"none/new: cannot be made \(No such file"),
        ("file/new", r"file/new: cannot be made \(Not a directory\)"),
        ("x" * 300, r"x: cannot be made \(File name too long\)"),
        ("/proc/new", r"^/proc/new: cannot be made \("),
        ("", ": exists already"),
    ],
)
def test_a_folder_that_cannot_be_made(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match=message), new_folder(tmp_path / name):
        pytest.fail("the block must not be entered")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_standard_streams(monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    write_jsonl("-", ["月"])
    assert output.buffer.getvalue() == '"月"\n'.encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"1\nx\n")))
    lines = read_jsonl("-")
    assert next(lines) == (1, 1)
    with pytest.raises(UserError, match="^standard input, line 2: not JSON"):
        next(lines)


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "in.json"
    path.write_bytes('\ufeff{"a": "水"}\r\n2'.encode())
    assert list(read_jsonl(path)) == [(1, {"a": "水"}), (2, 2)]
    path.write_bytes('\ufeff{"a": "水"}\r\n'.encode())
    assert read_json(path) == {"a": "水"}


def test_reading_is_streamed(tmp_path):
    path = tmp_path / "in.json"
    path.write_text("1\nbroken")
    assert next(read_jsonl(path)) == (1, 1)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\n \t\r\n\n"])
def test_blank_lines_at_the_end_are_accepted(tmp_path, end):
    (tmp_path / "a.json").write_bytes(b"1\r\n2" + end)
    assert list(read_jsonl(tmp_path / "a.json")) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file, expected one JSON value per line"),
        (b"1\n\n2\n", "line 2: blank line"),
        (b'1\n{"a": }\n', r"line 2: not JSON \(Expecting value, column 7\)"),
        (b"1\n2 3\n", "line 2: not JSON"),
        (b'1\n2\n"\xb4\xba"\n', r"line 3: not UTF-8 \(byte 2\)"),
        (b"[" * 100_000, "line 1: not readable"),
        (b"1" * 5_000, "line 1: not readable"),
        (b'1\n{"a": [{"b": 1, "c": 2, "b": 1}]}\n', r"line 2: not readable as JSON \('b' twice in one object\)"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_bad_lines_name_file_and_line(tmp_path, content, message, zipped):
    path = tmp_path / ("in.zip" if zipped else "in.json")
    zip_of(path, **{"in.json": content}) if zipped else path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}(, |: ){message}"):
        list(read_submission_lines(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", ": empty file"),
        (b'{\n"a": 1\n"b": 2}', ", line 3: not JSON"),
        (b'{\n"a": "\xff"}', ", line 2: not UTF-8"),
        (b"[" * 100_000, ": not readable"),
    ],
)
def test_bad_json_names_file_and_line(tmp_path, content, message):
    path = tmp_path / "in.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}{message}"):
        read_json(path)


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="missing.json: no such file"):
        next(read_jsonl(tmp_path / "missing.json"))
    with pytest.raises(UserError, match="cannot be read"):
        next(read_jsonl(tmp_path))
    with pytest.raises(UserError, match="line 1: not data but a zip; unpack it with: unzip FILE"):
        next(read_jsonl(zip_of(tmp_path / "a.zip", a=b"\xff" * 1_000)))


def test_bad_zips(tmp_path):
    with pytest.raises(UserError, match="exactly one file in the zip, found 2"):
        next(read_submission_lines(zip_of(tmp_path / "two.zip", a="1", b="2")))
    with pytest.raises(UserError, match="found 0"):
        next(read_submission_lines(zip_of(tmp_path / "none.zip")))
    (tmp_path / "plain.zip").write_text(json.dumps({"text": "山"}))
    with pytest.raises(UserError, match="not a readable zip"):
        next(read_submission_lines(tmp_path / "plain.zip"))
    write_jsonl(tmp_path / "damaged.zip", range(1_000))
    content = bytearray((tmp_path / "damaged.zip").read_bytes())
    content[100] ^= 255
    (tmp_path / "damaged.zip").write_bytes(content)
    with pytest.raises(UserError, match="not a readable zip"):
        list(read_submission_lines(tmp_path / "damaged.zip"))
