"""Properties that hold for any text, any bytes and any settings: reading, tokens, spans, configs."""

import dataclasses
import io
import json
import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from common.cli import UserError, printable
from common.config import OptimizerConfig, TrainingConfig, load_config
from common.files import read_json, read_jsonl, read_lines, read_submission_lines, write_json, write_jsonl
from common.folding import find_folded
from common.forms import array_on_a_line
from common.spans import find, text_spans, token_span, token_windows, windows
from common.table import display_width, format_table
from common.testing.texts import TEXT
from common.tokenizer import Tokenizer, words

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("properties") / "file.json"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_vocab(ROOT / "data" / "vocab.txt")


# --- reading


@given(st.lists(JSON, min_size=1, max_size=5), st.sampled_from([".json", ".zip"]))
def test_any_values_are_read_as_they_were_written(file, values, suffix):
    path = file.with_suffix(suffix)
    write_jsonl(path, values)
    if array_on_a_line(values[0]):
        with pytest.raises(UserError, match="found an array of"):
            list(read_submission_lines(path))
    else:
        assert [value for _, value in read_submission_lines(path)] == values
    write_json(path, values)
    assert read_json(path) == values


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_lines_are_read_as_they_were_written(file, lines):
    file.write_bytes("".join(f"{line}\n" for line in lines).encode())
    lines[0] = lines[0].removeprefix("\ufeff")
    assert [line for _, line in read_lines(file)] == [f"{line}\n" for line in lines]


def read_or_refuse(read, path):
    try:
        list(read(path))
        message = str(path)
    except UserError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message


PIECES = st.sampled_from([b'{"a": ', b"1", b'"x"', *(bytes([byte]) for byte in b"[]},\n\r\0\xff\xe4"), b"\xef\xbb\xbf"])


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=12).map(b"".join))
@example(b"")
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(file, content):
    file.write_bytes(content)
    for read in (read_lines, read_jsonl, lambda path: [read_json(path)]):
        read_or_refuse(read, file)


@given(st.data())
def test_any_damaged_zip_is_read_or_refused(file, data):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("file.json"), '{"a": "何"}\n' * 20)
    content = bytearray(packed.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = file.with_suffix(".zip")
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content)
    read_or_refuse(read_submission_lines, path)


# --- tokens and spans


@given(TEXT)
def test_tokens_are_in_order_and_cover_what_is_not_space(tokenizer, text):
    (encoding,) = tokenizer.encode_batch([text])
    starts, ends = encoding.offsets.T
    assert ((starts >= 0) & (starts < ends) & (ends <= len(text))).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    covered = {place for start, end in encoding.offsets.tolist() for place in range(start, end)}
    assert covered >= {place for place, character in enumerate(text) if words(character)}
    assert {text[place] for place in covered} & set(" \t\n\r\u3000\xa0\u2028") == set()


@given(st.lists(TEXT, max_size=4))
def test_texts_together_have_the_tokens_of_each(tokenizer, texts):
    for text, together in zip(texts, tokenizer.encode(texts), strict=True):
        (alone,) = tokenizer.encode_batch([text])
        assert alone.ids.tolist() == together.ids.tolist()
        assert alone.offsets.tolist() == together.offsets.tolist()


@given(st.integers(0, 60), st.integers(1, 12), st.data())
def test_windows_hold_every_item_and_what_is_no_longer_than_they_overlap(length, size, data):
    stride = data.draw(st.integers(1, size))
    found = windows(length, size, stride)
    for first in range(length):
        last = min(first + size - stride, length - 1)
        assert any(start <= first and last < end for start, end in found)
    assert all(0 <= end - start <= size for start, end in found)


@given(TEXT, st.integers(4, 12), st.data())
def test_characters_to_tokens_of_windows_and_back(tokenizer, text, max_length, data):
    (encoding,) = tokenizer.encode_batch([text])
    assume(len(encoding.ids))
    stride = data.draw(st.integers(1, max_length - 2))
    first = data.draw(st.integers(0, len(encoding.ids) - 1))
    last = data.draw(st.integers(first, min(len(encoding.ids) - 1, first + max_length - 2 - stride)))
    starts, ends = encoding.offsets[:, 0].tolist(), encoding.offsets[:, 1].tolist()
    counts: Counter[str] = Counter()
    characters = starts[first], ends[last]
    tokens = token_span(characters, starts, ends, counts)
    assert tokens is not None
    assert tokens[0] <= first
    assert tokens[1] >= last
    assert not counts.total()
    held = 0
    for window in token_windows(encoding, tokenizer, max_length, stride):
        span = np.array([[first, last]])
        if window.holds(span)[0]:
            inside, found = text_spans(window.place(span), window.offsets)
            assert inside.all()
            assert tuple(found[0]) == characters
            held += 1
    assert held


@given(TEXT, TEXT)
def test_what_is_found_is_there(text, string):
    assert all(text[start:end] == string for start, end in find(text, string))
    assert bool(find(text, string)) == (bool(string) and string in text)
    for start, end in find_folded(text, string):
        assert 0 <= start < end <= len(text)
    if string.casefold().strip() and string in text:
        assert len(find_folded(text, string)) >= 1 or not find_folded(string, string)


# --- configs

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "epochs": st.integers(-1, 5),
    "dropout": st.floats(-0.5, 1.5),
    "gelu": st.sampled_from(["erf", "tanh", None, "GELU", 1]),
    "optimizer.average": st.floats(0, 1) | st.none(),
    "optimizer.name": st.sampled_from(["adamw", "adax", "sgd", ""]),
    "recompute": st.integers(0, 2),
    "seed": st.integers(-1, 2**33),
    "encoder": st.sampled_from(["a/b", 1, None, [], {"hidden_size": 8, "layers": 1, "heads": 2}]),
}
SETTINGS = st.fixed_dictionaries({}, optional=VALUES | {"about": TEXT, "epoch": JSON, "optimizer": JSON})


def load(folder, *overrides, **values):
    """Return the config, or the error message without the name of its source."""
    good = {"train_file": "config.json", "dev_file": "config.json", "encoder": "a/b"}
    (folder / "config.json").write_text(json.dumps(good | nested(values)), encoding="utf-8")
    try:
        return load_config(TrainingConfig, folder / "config.json", folder, overrides)
    except UserError as error:
        return str(error).removeprefix(f"{folder / 'config.json'}: ").removeprefix("--set: ")


def nested(values):
    """Return the values with an object for each key before a dot."""
    found = {}
    for key, value in values.items():
        outer, dot, inner = key.partition(".")
        if not dot:
            found[key] = value
        elif isinstance(found.setdefault(outer, {}), dict):
            found[outer][inner] = value
    return found


@given(SETTINGS)
def test_a_config_reads_back_equal_or_is_refused_in_one_line(file, values):
    settings = load(file.parent, **values)
    if isinstance(settings, str):
        assert settings
        assert len(printable(settings).splitlines()) == 1
    else:
        write_json(file.parent / "saved.json", dataclasses.asdict(settings))
        assert load_config(TrainingConfig, file.parent / "saved.json", file.parent) == settings


@given(st.sampled_from(sorted(VALUES)), st.data())
def test_set_means_what_the_file_would(file, key, data):
    value = data.draw(VALUES[key])
    assert load(file.parent, f"{key}={json.dumps(value)}") == load(file.parent, **{key: value})


@given(SETTINGS, SETTINGS)
def test_a_child_has_its_own_keys_and_those_of_its_parent(file, parent, child):
    assume("optimizer" not in parent.keys() | child.keys())
    (file.parent / "parent.json").write_text(json.dumps(nested(parent)), encoding="utf-8")
    together = load(file.parent, **(parent | child))
    # `load` gives every file an encoder, and that of the child would hide its parent's
    own = {"encoder": (parent | child)["encoder"]} if "encoder" in parent | child else {}
    inherited = load(file.parent, **(child | own), parent="parent.json")
    if isinstance(together, str):
        assert isinstance(inherited, str)
    else:
        assert inherited == together


@given(st.floats(0, 1), st.floats(0.01, 1))
def test_floats_are_kept_to_the_bit(file, weight_decay, layer_decay):
    assume(math.isfinite(weight_decay))
    settings = load(file.parent, optimizer={"weight_decay": weight_decay, "layer_decay": layer_decay})
    assert settings.optimizer == OptimizerConfig(weight_decay=weight_decay, layer_decay=layer_decay)


# --- on the terminal


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_a_table_has_a_line_for_each_row_whatever_is_in_it(rows):
    lines = format_table(rows).split("\n")
    assert len(lines) == len(rows)
    assert len({display_width(line) for line in lines}) == 1
    assert not any(character in line for line in lines for character in "\x00\x1b\r\x9b\u202e\u2028")
