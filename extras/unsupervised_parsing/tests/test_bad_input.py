"""Any mistake in the input gives exit code 2 and one line that says where and what; nothing is left behind."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import evaluate
import lexicon
import parse
import segment
from common import fonts
from common.testing.commands import write
from common.testing.wrong_files import BERT, NO_FILES, NO_OUTPUTS, NOT_OBJECTS, NOT_TEXT, VOCABULARY, Reader

TREEBANK = "1\t我\t_\tPRON\t_\t_\t2\t_\t_\t_\n2\t笑\t_\tVERB\t_\t_\t0\t_\t_\t_\n\n"
TREE = {"words": ["我", "笑"], "brackets": [[0, 2]], "heads": [2, 0]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    tensors = {"bert.embeddings.word_embeddings.weight": np.zeros((6, 16), np.float32)}
    write(folder, {
        "text.txt": "何何\n" * 3, "words.txt": "何 何\n" * 3, "gold.conllu": TREEBANK, "trees.jsonl": json.dumps(TREE),
        "bert/config.json": json.dumps(BERT), "bert/vocab.txt": VOCABULARY, "vocab.txt": "",
    })  # fmt: skip
    save_file(tensors, folder / "bert" / "model.safetensors")
    return folder


def shared(main, *more):
    """Return the cases that segment.py and parse.py have in common."""
    return {
        "no input": (main, {"text.txt": None}, more, "text.txt: no such file"),
        "no encoder": (main, {}, ["--encoder", "none"], "none: no such folder, and not a name on the hub"),
        "weights cut": (main, {"bert/model.safetensors": b"\x08\0\0"}, more, "bert/model.safetensors: not a readable"),
        "too few positions": (
            main, {"bert/config.json": json.dumps(BERT | {"max_position_embeddings": 64})}, more, "128 tokens, but",
        ),
    }  # fmt: skip


COMMANDS = {
    **{f"segment, {name}": case for name, case in shared(segment.main).items()},
    **{f"parse, {name}": case for name, case in shared(parse.main).items()},
    "two thresholds": (segment.main, {}, ["--threshold", 1, "--text", "text.txt"], "--threshold: cannot be used"),
    "threshold NaN": (segment.main, {}, ["--threshold", "nan"], "--threshold nan: expected a number"),
    "length NaN": (segment.main, {}, ["--word-length", "nan"], "--word-length nan: expected more than 0"),
    "length infinite": (segment.main, {}, ["--word-length", "inf"], "words cannot have inf characters on average: "),
    "length next to 0": (segment.main, {}, ["--word-length", "1e-320"], "words cannot have 9.99989e-321 characters"),
    "negative length": (segment.main, {}, ["--word-length", "-1"], "--word-length -1: expected more than 0"),
    "a sentence too long": (
        parse.main,
        {"text.txt": "何\n" + "何" * 6000},
        [],
        "text.txt, line 2: 6000 tokens or words, expected at most 5000",
    ),
    "given words too long": (
        parse.main,
        {"text.txt": "何 " * 6000},
        ["--spans", "given"],
        "text.txt, line 1: 6000 tokens or words",
    ),
    "no length": (segment.main, {}, ["--word-length", 0], "--word-length 0: expected more than 0"),
    "no text": (
        segment.main,
        {},
        ["--text", "none*.txt"],
        "not a file, a folder with *.txt files or a pattern with a match: none",
    ),
    "no folder": (segment.main, {}, ["--output", "none/out.txt"], "none/out.txt: no such folder: none"),
}


@pytest.mark.parametrize(("main", "files", "arguments", "message"), COMMANDS.values(), ids=COMMANDS)
def test_segment_and_parse(main, files, arguments, message, folder, refused, without_tensorflow):
    write(folder, files)
    assert message in refused(main, "--encoder", folder / "bert", "--input", folder / "text.txt", *arguments)


SEGMENT = ("--encoder", "bert", "--input", "text.txt")
READERS = {
    "segment --input": Reader("segment", "text.txt", SEGMENT),
    "segment --text": Reader("segment", "words.txt", (*SEGMENT, "--text", "words.txt")),
    "parse --input": Reader("parse", "text.txt", SEGMENT),
    "evaluate --gold": Reader("evaluate", "words.txt", ("--gold", "words.txt", "--predictions", "text.txt")),
    "evaluate --predictions": Reader("evaluate", "words.txt", ("--gold", "text.txt", "--predictions", "words.txt")),
    "evaluate --train": Reader(
        "evaluate", "words.txt", ("--gold", "text.txt", "--predictions", "text.txt", "--train", "words.txt")
    ),
    "evaluate --gold, trees": Reader(
        "evaluate", "gold.conllu", ("--gold", "gold.conllu", "--predictions", "trees.jsonl")
    ),
    "lexicon --input": Reader("lexicon", "text.txt", ("--input", "text.txt")),
    "lexicon --new": Reader("lexicon", "words.txt", ("--input", "text.txt", "--new", "words.txt")),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_files_that_are_no_text(reader, folder, refused, without_tensorflow, monkeypatch):
    content, message = NOT_TEXT["GBK"]
    write(folder, {reader.file: content})
    monkeypatch.chdir(folder)
    assert refused(reader.main, *reader.arguments) == f"{reader.file}{message}"


@pytest.mark.parametrize("reader", [name for name in READERS if not name.endswith(("text", "train", "trees"))])
def test_names_of_no_file(reader, folder, refused, without_tensorflow, monkeypatch):
    name, message = NO_FILES["none"]
    monkeypatch.chdir(folder)
    assert refused(READERS[reader].main, *READERS[reader].with_name(name)) == f"{name}{message}"


@pytest.mark.parametrize("reader", ["segment --input", "parse --input", "lexicon --input"])
def test_names_of_no_output(reader, folder, refused, without_tensorflow, monkeypatch):
    name, message = NO_OUTPUTS["no folder"]
    monkeypatch.chdir(folder)
    main, _, arguments = READERS[reader].main, *READERS[reader][1:]
    assert message in refused(main, *arguments, "--output", name)
    error = refused(main, *arguments, "--output", "text.txt")
    assert error == "text.txt: is also an input; expected another name to write to"


@pytest.mark.parametrize(("content", "message"), NOT_OBJECTS.values(), ids=NOT_OBJECTS)
def test_predicted_trees_of_another_form(content, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"trees.jsonl": content})
    monkeypatch.chdir(folder)
    error = refused(evaluate.main, "--gold", "gold.conllu", "--predictions", "trees.jsonl")
    assert error.startswith("trees.jsonl")
    assert message in error


def test_blank_text_to_choose_on(folder, refused, without_tensorflow):
    write(folder, {"blank.txt": "\n \n"})
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--text", folder / "blank.txt"]
    assert refused(segment.main, *arguments) == "blank.txt: only blank lines, expected a sentence per line"


def test_a_length_that_cannot_be(folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--word-length", 3]
    error = refused(segment.main, *arguments)
    assert error == "words cannot have 3 characters on average: the text for the threshold allows 1.20 to 2.00"
    write(folder, {"long.txt": "Python何何\n"})
    arguments = ["--gold", folder / "text.txt", "--predictions", folder / "text.txt", "--train", folder / "long.txt"]
    error = refused(evaluate.main, *arguments)
    assert error == "words cannot have 1.6 characters on average: the text for the threshold allows 4.00 to 8.00"


def test_no_font(folder, refused, monkeypatch, without_tensorflow):
    monkeypatch.setattr(fonts, "FONTS", ("none",))
    monkeypatch.setattr(fonts.font_manager, "findSystemFonts", list)
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--pictures", folder]
    assert "no font with Chinese characters is installed" in refused(parse.main, *arguments)


def test_pictures_in_a_file(folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "text.txt", "--pictures", folder / "text.txt"]
    assert refused(parse.main, *arguments) == "text.txt: the folder cannot be made (File exists)"


TREEBANKS = {
    "no sentence": ("# nothing\n", "gold.conllu: no sentence in CoNLL-U"),
    "columns": ("1\t我\n", "gold.conllu, line 1: expected word 1 in the ten columns of CoNLL-U"),
    "numbers": (TREEBANK + TREEBANK.splitlines()[1], "gold.conllu, line 4: expected word 1 in the"),
    "cycle": (TREEBANK.replace("\t0\t", "\t1\t"), "gold.conllu, line 1: the heads of this sentence do not form a tree"),
    "two roots": (TREEBANK.replace("\t2\t_\t_\t_\n", "\t0\t_\t_\t_\n"), "gold.conllu, line 1: the heads of this"),
    "number a fraction sign": (TREEBANK.replace("2\t笑", "½\t笑"), "gold.conllu, line 2: expected word 2 in the ten"),
    "number raised": (TREEBANK.replace("2\t笑", "²\t笑"), "gold.conllu, line 2: expected word 2 in the ten columns"),
    "number with zeros": (TREEBANK.replace("2\t笑", "02\t笑"), "gold.conllu, line 2: expected word 2 in the ten"),
    "no number": (TREEBANK.replace("2\t笑", "\t笑"), "gold.conllu, line 2: expected word 2 in the ten columns"),
    "number too long": (TREEBANK.replace("2\t笑", "1" * 5000 + "\t笑"), "gold.conllu, line 2: expected word 2 in"),
    "head raised": (TREEBANK.replace("\t2\t_", "\t²\t_"), "gold.conllu, line 1: expected word 1 in the ten columns"),
    "head negative": (TREEBANK.replace("\t2\t_", "\t-2\t_"), "gold.conllu, line 1: expected word 1 in the ten"),
    "head too long": (TREEBANK.replace("\t2\t_", f"\t{'1' * 5000}\t_"), "gold.conllu, line 1: expected word 1 in the"),
    "no head": (TREEBANK.replace("\t2\t_", "\t_\t_"), "gold.conllu, line 1: expected word 1 in the ten columns"),
    "head itself": (TREEBANK.replace("\t2\t_", "\t1\t_"), "gold.conllu, line 1: the heads of this sentence do"),
    "eleven columns": (TREEBANK.replace("我\t", "我\t\t"), "gold.conllu, line 1: expected word 1 in the ten columns"),
    "spaces for tabs": (TREEBANK.replace("\t", " "), "gold.conllu, line 1: expected word 1 in the ten columns"),
    "old line ends": (TREEBANK.replace("\n", "\r"), "gold.conllu, line 1: expected word 1 in the ten columns"),
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
        "words.txt, line 2: not the text of gold: found '可' after 1 characters, expected '何'",
    ),
    "fewer lines": (
        "words.txt", {"gold": "何 何\n" * 4}, "words.txt: has fewer lines than gold, expected as many",
    ),
    "more lines": ("words.txt", {"gold": "何 何\n"}, "gold: has fewer lines than words.txt, expected as many"),
    "other tree": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"words": ["我", "哭"]})}, "line 1: not the words"),
    "no heads": ("trees.jsonl", {"trees.jsonl": '{"words": ["我", "笑"]}'}, "line 1: expected words, brackets and"),
    "heads": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [3, 0]})}, "heads: expected 2 numbers from 0"),
    "heads in a circle": (
        "trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [2, 1]})}, "that form a tree with one root"
    ),
    "heads all roots": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [0, 0]})}, "heads: expected 2"),
    "heads too few": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [0]})}, "heads: expected 2 numbers"),
    "heads true": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [True, 0]})}, "heads: expected 2"),
    "heads halves": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": [2.0, 0]})}, "heads: expected 2"),
    "heads null": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"heads": None})}, "heads: expected 2 numbers"),
    "words a string": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"words": "我笑"})}, "line 1: not the words"),
    "brackets null": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"brackets": None})}, "brackets: expected"),
    "bracket null": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"brackets": [None]})}, "brackets: expected"),
    "bracket far": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"brackets": [[0, 3]]})}, "brackets: expected"),
    "brackets": ("trees.jsonl", {"trees.jsonl": json.dumps(TREE | {"brackets": [[0]]})}, "brackets: expected pairs of"),
    "two trees": ("trees.jsonl", {"trees.jsonl": f"{json.dumps(TREE)}\n" * 2}, "trees.jsonl: 2 trees, expected 1, as"),
    "no JSON": ("trees.jsonl", {"trees.jsonl": "((我 笑))"}, "trees.jsonl, line 1: not JSON"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "files", "message"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions(name, files, message, folder, refused, without_tensorflow):
    write(folder, files)
    gold = folder / ("gold" if name == "words.txt" else "gold.conllu")
    assert message in refused(evaluate.main, "--gold", gold, "--predictions", folder / name)


def test_words_to_count_for_trees(folder, refused, without_tensorflow):
    arguments = ["--gold", folder / "gold.conllu", "--predictions", folder / "trees.jsonl", "--train", folder]
    assert refused(evaluate.main, *arguments) == "--train: is for words, but --gold has trees"


def test_lexicon(folder, refused, without_tensorflow):
    arguments = ["--input", folder / "words.txt", "--min-count", 0]
    assert refused(lexicon.main, *arguments) == "--min-count 0: expected at least 1"
    assert refused(lexicon.main, "--input", folder / "words.txt", "--new", folder / "none") == "none: no such file"
