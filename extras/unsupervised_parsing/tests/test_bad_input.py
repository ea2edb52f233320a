"""Whatever is wrong with the input: exit code 2, one line that says where and what, and nothing left behind."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import evaluate
import lexicon
import parse
import segment
from common import fonts
from common.testing import BERT, VOCABULARY, write

TREEBANK = "1\t我\t_\tPRON\t_\t_\t2\t_\t_\t_\n2\t笑\t_\tVERB\t_\t_\t0\t_\t_\t_\n\n"
TREE = {"words": ["我", "笑"], "brackets": [[0, 2]], "heads": [2, 0]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    tensors = {"bert.embeddings.word_embeddings.weight": np.zeros((6, 16), np.float32)}
    write(folder, {
        "text.txt": "何何\n" * 3, "words.txt": "何 何\n" * 3, "gold.conllu": TREEBANK, "trees.jsonl": json.dumps(TREE),
        "bert/config.json": json.dumps(BERT), "bert/vocab.txt": VOCABULARY,
    })  # fmt: skip
    save_file(tensors, folder / "bert" / "model.safetensors")
    return folder


def shared(main, *more):
    """What segment.py and parse.py check alike."""
    return {
        "no input": (main, {"text.txt": None}, more, "text.txt: no such file"),
        "empty": (main, {"text.txt": ""}, more, "text.txt: empty file, expected a text per line"),
        "not UTF-8": (main, {"text.txt": b"\xe4\xbd\x95\n\xff\n"}, more, "text.txt, line 2: not UTF-8 (byte 1)"),
        "no vocabulary": (main, {"bert/vocab.txt": None}, more, "bert: no vocab.txt"),
        "too few positions": (
            main, {"bert/config.json": json.dumps(BERT | {"max_position_embeddings": 64})}, more, "128 tokens, but",
        ),
    }  # fmt: skip


COMMANDS = {
    **{f"segment, {name}": case for name, case in shared(segment.main).items()},
    **{f"parse, {name}": case for name, case in shared(parse.main).items()},
    "two thresholds": (segment.main, {}, ["--threshold", 1, "--text", "text.txt"], "--threshold leaves nothing to"),
    "no length": (segment.main, {}, ["--word-length", 0], "--word-length 0: expected more than 0"),
    "no text": (segment.main, {}, ["--text", "none*.txt"], "no such file, folder of *.txt or pattern of files: none"),
    "no folder": (segment.main, {}, ["--output", "none/out.txt"], "none/out.txt: no such folder: none"),
    "own without threshold": (parse.main, {}, ["--spans", "own"], "--spans own and --threshold T need each other"),
    "threshold without own": (parse.main, {}, ["--threshold", 1], "--spans own and --threshold T need each other"),
}


@pytest.mark.parametrize(("main", "files", "arguments", "message"), COMMANDS.values(), ids=COMMANDS)
def test_segment_and_parse(main, files, arguments, message, folder, refused, without_tensorflow):
    write(folder, files)
    assert message in refused(main, "--encoder", folder / "bert", "--input", folder / "text.txt", *arguments)


def test_blank_text_to_choose_on(folder, refused, without_tensorflow):
    write(folder, {"blank.txt": "\n \n"})
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--text", folder / "blank.txt"]
    assert refused(segment.main, *arguments) == "blank.txt: only blank lines, expected a sentence per line"


def test_a_length_that_cannot_be(folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--word-length", 3]
    error = refused(segment.main, *arguments)
    assert error == "--word-length 3: the text allows 1.20 to 2.00; choose on another --text?"


def test_no_font(folder, refused, monkeypatch, without_tensorflow):
    monkeypatch.setattr(fonts, "FONTS", ("none",))
    monkeypatch.setattr(fonts.font_manager, "findSystemFonts", list)
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--pictures", folder]
    assert "no font with Chinese characters is installed" in refused(parse.main, *arguments)


def test_pictures_in_a_file(folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--pictures", folder / "text.txt"]
    assert refused(parse.main, *arguments) == "text.txt: cannot be made a folder (File exists)"


TREEBANKS = {
    "no sentence": ("# nothing\n", "gold.conllu: no sentence in CoNLL-U"),
    "columns": ("1\t我\n", "gold.conllu, line 1: expected word 1 in the ten columns of CoNLL-U"),
    "numbers": (TREEBANK + TREEBANK.splitlines()[1], "gold.conllu, line 4: expected word 1 in the"),
    "cycle": (TREEBANK.replace("\t0\t", "\t1\t"), "gold.conllu, line 1: the heads of this sentence are no tree"),
    "two roots": (TREEBANK.replace("\t2\t_\t_\t_\n", "\t0\t_\t_\t_\n"), "gold.conllu, line 1: the heads of this"),
    "far head": (TREEBANK.replace("\t2\t_\t_\t_\n", "\t7\t_\t_\t_\n"), "gold.conllu, line 1: the heads of this"),
}


@pytest.mark.parametrize(("content", "message"), TREEBANKS.values(), ids=TREEBANKS)
def test_treebanks(content, message, folder, refused, without_tensorflow):
    write(folder, {"gold.conllu": content})
    error = refused(evaluate.main, "--gold", folder / "gold.conllu", "--predictions", folder / "trees.jsonl")
    assert message in error


PREDICTIONS = {
    "other words": (
        "words.txt", {"words.txt": "何 何\n何 可\n何何\n", "gold": "何 何\n何 何\n何何\n"},
        "words.txt, line 2: not the text of gold: expected '何' after 1 characters, found '可'",
    ),
    "fewer lines": (
        "words.txt", {"gold": "何 何\n" * 4}, "words.txt: ends before the other file does, expected as many lines",
    ),
    "more lines": ("words.txt", {"gold": "何 何\n"}, "gold: ends before the other file does, expected as many lines"),
    "other tree": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"words": ["我", "哭"]})}, "line 1: other words"),
    "no heads": ("trees.jsonl", {"trees.jsonl": '{"words": ["我", "笑"]}'}, "line 1: expected words, brackets and"),
    "heads": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [3, 0]})}, "heads: expected 2 numbers from 0"),
    "brackets": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"brackets": [[0]]})}, "brackets: expected pairs of"),
    "two trees": ("trees.jsonl", {"trees.jsonl": f"{json.dumps(TREE)}\n" * 2}, "trees.jsonl: 2 trees, gold has 1"),
    "no JSON": ("trees.jsonl", {"trees.jsonl": "((我 笑))"}, "trees.jsonl, line 1: not JSON"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "files", "message"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions(name, files, message, folder, refused, without_tensorflow):
    write(folder, files)
    gold = folder / ("gold" if name == "words.txt" else "gold.conllu")
    assert message in refused(evaluate.main, "--gold", gold, "--predictions", folder / name)


def test_words_to_count_for_trees(folder, refused, without_tensorflow):
    arguments = ["--gold", folder / "gold.conllu", "--predictions", folder / "trees.jsonl", "--train", folder]
    assert refused(evaluate.main, *arguments) == "--train: counts words, but --gold has trees"


def test_lexicon(folder, refused, without_tensorflow):
    arguments = ["--input", folder / "words.txt", "--min-count", 0]
    assert refused(lexicon.main, *arguments) == "--min-count 0: expected at least 1"
    assert refused(lexicon.main, "--input", folder / "words.txt", "--new", folder / "none") == "none: no such file"
