"""Says what a file or a record is, if it is not what was expected, and how to convert it.

The functions return a part of an error message. It is empty if they recognise nothing.
"""

import codecs
import re
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

LINES = "expected one JSON object per line"
SHOWN = 20  # the most characters of a file that a message shows
# How files begin that hold no lines of data -> what such a file is, and the way out.
_NO_DATA = {
    rb"PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|docProps/|xl/|word/|mimetype)|\xd0\xcf\x11\xe0": (
        "an Office document", "save it as plain text in UTF-8"
    ),
    rb"PK\x03\x04": ("a zip", "unpack it with: unzip FILE"),
    rb"\x1f\x8b": ("a gzip file", "unpack it with: gunzip FILE"),
    rb"BZh[1-9]1AY&SY": ("a bzip2 file", "unpack it with: bunzip2 FILE"),
    rb"\xfd7zXZ\0": ("an xz file", "unpack it with: unxz FILE"),
    rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x28\xb5\x2f\xfd|.{257}ustar": ("an archive", "unpack it"),
    rb"PAR1|ARROW1": ("a Parquet or Arrow table", "write it as JSON, such as with to_json of pandas"),
    rb"%PDF-": ("a PDF", "save it as plain text in UTF-8"),
    rb"version https://git-lfs": ("a Git LFS pointer", "fetch the file that it stands for with: git lfs pull"),
    rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype html|<html)": ("an HTML page, perhaps an error page", "download it again"),
}  # fmt: skip
_UTF = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def no_data(line: bytes) -> str:
    """Say what a file is that begins with this line, if it holds no lines of data, and the way out."""
    found = (said for begin, said in _NO_DATA.items() if re.match(begin, line, re.DOTALL))
    return "; ".join(next(found, ()))


def other_encoding(line: bytes) -> str:
    """Say in which encoding a line is, and how to convert it, if it is not UTF-8 and its encoding is known."""
    if name := _utf(line):
        return f"; it is {name}, {_converted(name)}"
    shares = {name: _common(line, *ends) for name, ends in _CHINESE.items()}
    name = max(shares, key=lambda name: shares[name])
    return f"; it seems to be {name}, {_converted(name)}" if shares[name] > 0.5 else ""


def _utf(line: bytes) -> str:
    """Return the name of UTF-16 or UTF-32, which are known by their mark or by the zeros of "{" and a character."""
    marked = next((name for mark, name in _UTF.items() if line.startswith(mark)), "")
    if marked or not re.match(rb"[^\0]\0[^\0]\0|\0[^\0]\0[^\0]", line):
        return marked
    return "UTF-16BE" if line.startswith(b"\0") else "UTF-16LE"


def _converted(name: str) -> str:
    return f"convert it with: iconv -f {'GB18030' if name == 'GBK' else name} -t UTF-8 FILE > NEW"


# The codec, and where the bytes of its common Chinese characters are: the first byte, and the least second byte.
_CHINESE = {"GBK": ("gb18030", range(0xB0, 0xD8), 0xA1), "BIG5": ("big5hkscs", range(0xA4, 0xC7), 0x40)}


def _common(line: bytes, codec: str, first: range, second: int) -> float:
    """Return the share of common characters among the Chinese ones of a line, 0 if it has another encoding.

    A line in one of these encodings often can be read in the other as well, but then its characters are rare ones.
    """
    try:
        codes = [character.encode(codec) for character in line.decode(codec) if "\u3400" <= character <= "\u9fff"]
    except UnicodeError:
        return 0.0
    return sum(code[0] in first and code[1] >= second for code in codes) / len(codes) if codes else 0.0


def other_line(text: str) -> str:
    """Say what the first line of a file begins, if that is not one JSON object per line, and how to convert it."""
    text = text.strip()
    if utf := _utf(text.encode("utf-8", "replace")):
        return f"; it is {utf}, {_converted(utf)}"
    if is_python(text):
        return f"; this is Python's notation with single quotes, {LINES} (write it with json.dumps)"
    if re.match(r"[TREAMN]\d+\t\S", text):
        return f"; this looks like an export of brat, {LINES}"
    if re.fullmatch(r"\S+[ \t](?:O|[BIMES]-\S+)", text):
        return f"; this looks like an export with a character and its tag on each line, {LINES}"
    if text.startswith("["):
        return f"; this is one JSON array over several lines, {LINES} (jq -c '.[]' FILE > NEW)"
    if re.search(r"\}\s*,$", text):
        return f"; a comma after the object, {LINES} and nothing else"
    if "\r" in text:
        return f"; lines end in carriage returns alone, {LINES} (tr '\\r' '\\n' < FILE > NEW)"
    if text == "{" or re.fullmatch(r"\{.*[,\[{:]", text):
        return f"; this is a JSON object over several lines, {LINES} (jq -c . FILE > NEW)"
    return ""


def is_python(text: str) -> bool:
    """Whether a text begins as Python prints dicts, with single quotes."""
    return re.match(r"\s*[{\[][{\[\s]*'", text) is not None


def stopped(text: str, error: JSONDecodeError, unit: str) -> str:
    """Say what is at the place of an error in a JSON text. `unit` names the text: a "line" or a "file"."""
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"; the {unit} ends before the value does"
    return f"; found {text[error.pos : error.pos + SHOWN]!r}"


def array_on_a_line(value: Any) -> str:
    """Say that a line is an array of the objects that should have a line each, if it is."""
    if not (isinstance(value, list) and value and all(isinstance(item, dict) for item in value)):
        return ""
    return f"{LINES}, found an array of {len(value)} on one line" + (origin(value[0]) or " (jq -c '.[]' FILE > NEW)")


def origin(value: Any) -> str:
    """Say which annotation tool wrote a record that has not the expected form."""
    tool = next((name for name, is_from in _TOOLS.items() if isinstance(value, dict) and is_from(value)), "")
    return f"; this looks like an export of {tool}, expected the form that the README shows" if tool else ""


def _is_from_doccano(record: dict[str, Any]) -> bool:
    """Whether a record has entities, relations or labels as doccano writes them, in one of its versions."""
    spans = [record.get(key) for key in ("entities", "annotations", "label", "labels")]
    return (
        "annotation_approver" in record
        or _has_items(record.get("relations"), lambda item: isinstance(item, dict) and "from_id" in item)
        or any(_has_items(items, lambda item: isinstance(item, dict) and "start_offset" in item) for items in spans)
        or any(_has_items(items, lambda item: isinstance(item, list) and len(item) == 3) for items in spans)
    )


def _is_from_label_studio(record: dict[str, Any]) -> bool:
    tasks = any(isinstance(record.get(key), list) for key in ("annotations", "completions"))
    return (tasks and isinstance(record.get("data"), dict)) or {"annotator", "annotation_id"} <= record.keys()


def _is_from_prodigy(record: dict[str, Any]) -> bool:
    return "_input_hash" in record


def _is_from_colabeler(record: dict[str, Any]) -> bool:
    return isinstance(record.get("outputs"), dict) and "content" in record


def _has_items(items: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(items, list) and bool(items) and all(map(fits, items))


_TOOLS = {
    "doccano": _is_from_doccano,
    "Label Studio": _is_from_label_studio,
    "Prodigy": _is_from_prodigy,
    "精灵标注助手": _is_from_colabeler,
}
