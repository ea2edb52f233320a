"""Files, names of files, and checkpoints that every command refuses, by what is wrong with them. Needs pytest."""

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save_file


def packed(files: dict[str, bytes]) -> bytes:
    """Make a zip of files, name -> content. The same files always give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


LINE = '{"text": "何"}\n'
# No reader of JSON takes these. What is wrong -> the bytes of a file, and a part of the message.
NOT_JSON: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ": empty file, expected"),
    "UTF-16": (LINE.encode("utf-16"), ", line 1: not UTF-8"),
    "UTF-16 without a mark": (LINE.encode("utf-16-be"), ", line 1: not"),
    "UTF-32": (LINE.encode("utf-32"), ", line 1: not UTF-8"),
    "GBK": (LINE.encode("gbk"), ", line 1: not UTF-8"),
    "half a character": (LINE.encode()[:-4], ", line 1: not UTF-8"),
    "half of a pair as bytes": (b'"\xed\xa0\x80"\n', ", line 1: not UTF-8"),
    "Big5": ('{"text": "臺灣大學在臺北"}\n'.encode("big5"), ", line 1: not UTF-8"),
    "gzip": (gzip.compress(LINE.encode(), mtime=0), ", line 1: not data but a gzip file; unpack it with: gunzip FILE"),
    "bzip2": (bz2.compress(LINE.encode()), ", line 1: not data but a bzip2 file; unpack it with: bunzip2 FILE"),
    "xz": (lzma.compress(LINE.encode()), ", line 1: not data but an xz file; unpack it with: unxz FILE"),
    "zip": (packed({"train.json": LINE.encode()}), ", line 1: not data but a zip; unpack it with: unzip FILE"),
    "Excel": (packed({"xl/workbook.xml": b""}), ", line 1: not data but an Office document; save it as plain text in"),
    "Word": (packed({"[Content_Types].xml": b""}), ", line 1: not data but an Office document; save it as plain text"),
    "Parquet": (b"PAR1\x15\x04", ", line 1: not data but a Parquet or Arrow table; write it as JSON, such as with to_"),
    "PDF": (b"%PDF-1.7\n", ", line 1: not data but a PDF; save it as plain text in UTF-8"),
    "tar": (b"train.json".ljust(257, b"\0") + b"ustar\x0000", ", line 1: not data but an archive; unpack it"),
    "an HTML page": (b"\xef\xbb\xbf<!DOCTYPE html>\n<html>\n", ", line 1: not data but an HTML page, perhaps an error"),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        ", line 1: not data but a Git LFS pointer; fetch the file that it stands for with: git lfs pull",
    ),
    "XML": (b"<xmi/>\n", ", line 1: not JSON (Expecting value, column 1); found '<xmi/>"),
    "a full-width comma": (
        '{"text": "a"，"id": 1}\n'.encode(),
        ", line 1: not JSON (Expecting ',' delimiter, column 13)",
    ),
    "NUL": (b"\0" * 100, ", line 1: not JSON (Expecting value, column 1)"),
    "NUL in a string": (b'{"text": "\0"}\n', ", line 1: not JSON (Invalid control character at"),
    "as Python writes it": (b"{'text': None}\n", ", line 1: not JSON (Expecting property name"),
    "text": ("何川\n".encode(), ", line 1: not JSON (Expecting value, column 1)"),
    "cut": (LINE.encode()[:-3], ", line 1: not JSON ("),
    "two values": (b"{} {}\n", ", line 1: not JSON (Extra data, column 4)"),
    "a comma at the end": (b'{"text": "",}\n', ", line 1: not JSON ("),
    "brackets too deep": (b"[" * 100_000, ": not readable as JSON (maximum recursion depth exceeded"),
    "a number too long": (b"1" * 5_000, ": not readable as JSON (Exceeds the limit (4300 digits)"),
    "a key twice": (b'{"text": "a", "text": "b"}\n', ": not readable as JSON ('text' twice in one object)"),
}
NOT_LINES = NOT_JSON | {
    "white space": (b" \t\r\n", ", line 1: blank line"),
    "a byte order mark alone": (b"\xef\xbb\xbf", ", line 1: blank line"),
    "old line ends": (b"{}\r{}\r", ", line 1: not JSON (Extra data"),
}
# These are JSON lines, but no task has such lines.
NOT_OBJECTS = {
    "null": (b"null\n", ", line 1: expected"),
    "a number": (b"1e999\n", ", line 1: expected"),
    "NaN": (b"NaN\n", ", line 1: expected"),
    "a string": (b'"text"\n', ", line 1: expected"),
    "a list": (b"[{}]\n", ", line 1: expected"),
}
# No reader of text takes these.
NOT_TEXT = {
    "empty": (b"", ": empty file, expected a text per line"),
    "UTF-16": (
        LINE.encode("utf-16"),
        ", line 1: not UTF-8 (byte 1); it is UTF-16, convert it with: iconv -f UTF-16 -t UTF-8 FILE > NEW",
    ),
    "GBK": (
        LINE.encode("gbk"),
        ", line 1: not UTF-8 (byte 11); it seems to be GBK, convert it with: iconv -f GB18030 -t UTF-8 FILE > NEW",
    ),
    "Big5": (
        "臺灣大學在臺北\n".encode("big5"),
        ", line 1: not UTF-8 (byte 1); it seems to be BIG5, convert it with: iconv -f BIG5 -t UTF-8 FILE > NEW",
    ),
    "UTF-32": (
        LINE.encode("utf-32"),
        ", line 1: not UTF-8 (byte 1); it is UTF-32, convert it with: iconv -f UTF-32 -t UTF-8 FILE > NEW",
    ),
    "gzip": (gzip.compress(LINE.encode(), mtime=0), ", line 1: not data but a gzip file; unpack it with: gunzip FILE"),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\n",
        ", line 1: not data but a Git LFS pointer; fetch the file that it stands for with: git lfs pull",
    ),
    "half a character": ("何".encode()[:-1], ", line 1: not UTF-8 (byte 1)"),
}
# Names of files to read. What is wrong -> a name, and a part of the message.
NO_FILES = {
    "none": ("none.json", ": no such file"),
    "no name": ("", ": cannot be read (Is a directory)"),
    "a folder": (".", ": cannot be read (Is a directory)"),
    "a long name": ("x" * 300, ": cannot be read (File name too long)"),
    "below a file": ("vocab.txt/train.json", ": cannot be read (Not a directory)"),
    "not readable": ("/proc/self/mem", ": cannot be read (Input/output error)"),
}
# Names of files to write.
NO_OUTPUTS = {
    "no name": ("", ".: is a folder"),
    "a folder": (".", ".: is a folder"),
    "no folder": ("none/out.json", "none/out.json: no such folder: none"),
    "below a file": ("vocab.txt/out.json", "vocab.txt/out.json: no such folder: vocab.txt"),
    "a long name": ("x" * 300, ": not writable (File name too long)"),
    "not writable": ("/proc/out.json", "/proc/out.json: not writable"),
}


class Reader(NamedTuple):
    """A command that reads a file."""

    module: str  # the command's module
    file: str  # the file's name
    arguments: tuple[str, ...]  # the file's name is one of them, unless a config or a run names it

    @property
    def main(self) -> Callable[[], None]:
        """The `main` of the command. The test is skipped if the folder under test has no such command."""
        if importlib.util.find_spec(self.module) is None:
            pytest.skip(f"no {self.module}.py in this folder")
        return importlib.import_module(self.module).main

    def with_name(self, name: str) -> list[str]:
        """Return the arguments with another name for the file."""
        return [name if argument == self.file else argument for argument in self.arguments]


_TRAIN = ("--config", "config.json", "--output", "new")
_PREDICT = ("--model", "run", "--input", "train.json", "--output", "new.json")
_EVALUATE = ("--gold", "train.json", "--predictions", "dev.json", "--report", "new")
_CHECK = ("--input", "train.json", "--predictions", "dev.json")
# Every task has these.
READERS = {
    "train_file": Reader("train", "train.json", _TRAIN),
    "dev_file": Reader("train", "dev.json", _TRAIN),
    "predict --input": Reader("predict", "train.json", _PREDICT),
    "evaluate --gold": Reader("evaluate", "train.json", _EVALUATE),
    "evaluate --predictions": Reader("evaluate", "dev.json", _EVALUATE),
    "check --input": Reader("check_submission", "train.json", _CHECK),
    "check --predictions": Reader("check_submission", "dev.json", _CHECK),
}
SCHEMA_READERS = {
    "schema_file": Reader("train", "schema.json", _TRAIN),
    "schema of a run": Reader("predict", "run/schema.json", _PREDICT),
    "check --schema": Reader("check_submission", "schema.json", (*_CHECK, "--schema", "schema.json")),
}


def not_zips() -> dict[str, tuple[bytes, str]]:
    """Make wrong zips. What is wrong -> the bytes of the file, and a part of the message."""
    name, content = "pred.json", LINE.encode() * 9
    good, member = packed({name: content}), name.encode()
    flags, way = good.index(b"PK\x01\x02") + 8, good.index(b"PK\x01\x02") + 10
    return {
        "empty": (b"", ": not a readable zip (File is not a zip file)"),
        "text": (content, ": not a readable zip (File is not a zip file)"),
        "gzip": (gzip.compress(content, mtime=0), ": not a readable zip (File is not a zip file)"),
        "the first half": (good[: len(good) // 2], ": not a readable zip (File is not a zip file)"),
        "the second half": (good[len(good) // 2 :], ": not a readable zip ("),
        "nothing in it": (packed({}), ": expected exactly one file in the zip, found 0"),
        "a folder in it": (packed({"a/": b""}), ": expected exactly one file in the zip, found 0"),
        "two files in it": (packed({name: content, "b": b""}), ": expected exactly one file in the zip, found 2"),
        "a zip in it": (packed({name: good}), ", line 1: not"),
        "encrypted": (good[:flags] + b"\x01" + good[flags + 1 :], ": not a readable zip (File "),
        "another compression": (good[:way] + b"\x63" + good[way + 1 :], ": not a readable zip (That compression metho"),
        "no directory": (good.replace(b"PK\x01\x02", b"PK\0\0"), ": not a readable zip (Bad magic number for central"),
        "another name inside": (good.replace(member, b"x" * len(member), 1), ": not a readable zip (File name in dire"),
        "damaged": (good[:40] + bytes(byte ^ 255 for byte in good[40:44]) + good[44:], ": not a readable zip ("),
        "a bomb": (packed({name: bytes(2**24)}), ": not unpacked: "),
    }  # fmt: skip


# The config and the vocabulary of a good checkpoint.
BERT = {
    "model_type": "bert", "vocab_size": 6, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip
VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n何\n"
# What is wrong -> the files that differ, see `checkpoint_files`, and a part of the message.
BAD_CHECKPOINTS = {
    "entries": ({"config.json": BERT | {"vocab_size": 1007}}, "vocab.txt: 6 entries, but the encoder has embeddin"),
    "positions": ({"config.json": BERT | {"max_position_embeddings": 255}}, "max_length: 256 tokens, but"),
    "heads": ({"config.json": BERT | {"num_attention_heads": 3}}, "bert/config.json: hidden_size 16 is not a multiple"),
    "activation": ({"config.json": BERT | {"hidden_act": "mish"}}, "bert/config.json: hidden_act 'mish' is not one of"),
    "no description": ({"config.json": b"[]"}, "bert/config.json: expected an object"),
    "description cut": ({"config.json": b"{"}, "bert/config.json, line 1: not JSON"),
    "two descriptions": ({"config.json": None, "bert_config.json": b"{}", "albert_config.json": b"{}"}, "bert: expect"),
    "another kind": ({"config.json": BERT | {"model_type": "gpt2"}}, "bert/config.json: model_type 'gpt2' is not one"),
    "kind a list": ({"config.json": BERT | {"model_type": ["bert"]}}, "bert/config.json: model_type ['bert'] is not o"),
    "activation a list": ({"config.json": BERT | {"hidden_act": []}}, "bert/config.json: hidden_act [] is not one of"),
    "epsilon a string": ({"config.json": BERT | {"layer_norm_eps": "small"}}, "layer_norm_eps should be a number from"),
    "epsilon NaN": ({"config.json": BERT | {"layer_norm_eps": float("nan")}}, "layer_norm_eps should be a number from"),
    "no layers": ({"config.json": BERT | {"num_hidden_layers": 0}}, "num_hidden_layers should be a positive integer"),
    "size a string": ({"config.json": BERT | {"hidden_size": "16"}}, "hidden_size should be a positive integer, not '"),
    "size true": ({"config.json": BERT | {"num_hidden_layers": True}}, "num_hidden_layers should be a positive intege"),
    "empty": ({"model.safetensors": b""}, "bert/model.safetensors: not a readable"),
    "header too long": ({"model.safetensors": b"\xff" * 8}, "bert/model.safetensors: not a readable"),
    "header no JSON": ({"model.safetensors": b"\x02\0\0\0\0\0\0\0[["}, "bert/model.safetensors: not a readable"),
    "HDF5 of text": ({"model.safetensors": None, "tf_model.h5": b"text"}, "bert/tf_model.h5: not a readable .h5"),
    "a part missing": (
        {"model.safetensors": None, "model-00001-of-00002.safetensors": b""},
        "bert: found 1 of 2 parts of the weights",
    ),
    "truncated": ({"model.safetensors": b"\x08\0\0\0\0\0\0\0{}"}, "bert/model.safetensors: not a readable"),
    "pickle": (
        {"model.safetensors": None, "pytorch_model.bin": b"\x80"},
        "bert/pytorch_model.bin: not a readable PyTo",
    ),
    "sizes": ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 8)}}, "has shape [6, 8]"),
    "tensors missing": ({"model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)}}, "the file lacks"),
}


def checkpoint_files(config: dict[str, Any], files: dict[str, Any], scratch: Path) -> dict[str, bytes | str]:
    """Make the files of an encoder folder "bert" that is good except for `files`, and a config that names it.

    Args:
        config: the config of a training. Its encoder is replaced.
        files: name -> bytes, the content of a config, or the shapes of tensors by name; None leaves a file out.
        scratch: a file to write tensors to.
    """
    contents: dict[str, Any] = {
        "config.json": BERT,
        "model.safetensors": {"bert.embeddings.word_embeddings.weight": (6, 16)},
    }
    written: dict[str, bytes | str] = {
        "config.json": json.dumps(config | {"encoder": "./bert"}),
        "bert/vocab.txt": VOCABULARY,
    }
    for name, content in (contents | files).items():
        if isinstance(content, dict) and name == "config.json":
            written[f"bert/{name}"] = json.dumps(content)
        elif isinstance(content, dict):
            save_file({key: np.zeros(shape, np.float32) for key, shape in content.items()}, scratch)
            written[f"bert/{name}"] = scratch.read_bytes()
        elif content is not None:
            written[f"bert/{name}"] = content
    return written
