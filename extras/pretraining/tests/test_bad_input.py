"""Wrong input ends with exit code 2 and one line that says where and what is wrong. Nothing is left behind."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import evaluate
import export
import fill
import texts
import train
from common.testing.commands import disk_full, write
from common.testing.wrong_files import BERT, NO_FILES, NO_OUTPUTS, NOT_TEXT, VOCABULARY, Reader
from common.testing.wrong_input import SIZES, bad_configs, pick

CONFIG = {"train_file": "text", "encoder": SIZES}


@pytest.fixture
def folder(tmp_path):
    """Make a folder with all that a training needs, all of it good, and with an encoder that lacks the head."""
    folder = tmp_path / "input"
    folder.mkdir()
    tensors = {"bert.embeddings.word_embeddings.weight": np.zeros((6, 16), np.float32)}
    write(folder, {
        "config.json": json.dumps(CONFIG), "vocab.txt": VOCABULARY,
        "text/a.txt": "何\n" * 400, "text/b.txt": "何\n" * 400,
        "empty/a": "何", "sentences.txt": "何[MASK]\n",
        "bert/config.json": json.dumps(BERT), "bert/vocab.txt": VOCABULARY,
    })  # fmt: skip
    save_file(tensors, folder / "bert" / "model.safetensors")
    return folder


def settings(**changes):
    return {"config.json": json.dumps(CONFIG | changes)}


NO_TOKEN = "\u200b\n" * 400
TRAINING = {
    "no text": (settings(train_file="none.txt"), "config.json: train_file: not a file, a folder with *.txt files or"),
    "folder without text": (settings(train_file="empty"), "config.json: train_file: not a file, a folder with *.txt"),
    "no dev": (settings(dev_file="none*.txt"), "config.json: dev_file: not a file, a folder with *.txt files or"),
    "not UTF-8": ({"text/b.txt": b"\xe4\xbd\x95\n\xff\n"}, "text/b.txt, line 2: not UTF-8"),
    "empty": ({"text/a.txt": ""}, "text/a.txt: empty file"),
    "blank": ({"text/a.txt": "\n \n"}, "text/a.txt: only blank lines, expected one passage per line"),
    "nothing for dev": ({"text/a.txt": "何\n", "text/b.txt": "何\n"}, "text: no passage for dev"),
    "no token": ({"text/a.txt": NO_TOKEN, "text/b.txt": NO_TOKEN}, "text: no token to train on"),
    "no token in a file with weight": (
        {"text/b.txt": NO_TOKEN} | settings(weights={"a*": 0}), "text: no token to train on"
    ),
    "no token in dev": ({"dev.txt": NO_TOKEN} | settings(dev_file="dev.txt"), "dev.txt: no token in dev"),
    "weight of no file": (settings(weights={"c*": 2}), "weights: no train file is called c*"),
    "negative weight": (settings(weights={"a*": -1}), "config.json: weights.a*: should be"),
    "all weights 0": (settings(weights={"*": 0}), "weights: all train files have the weight 0"),
    "unknown key": (settings(whole_word=1), "config.json: unknown key whole_word (did you mean whole_words?)"),
    "windows with gaps": (settings(max_length=128), "config.json: stride 254 is more than max_length - 2"),
    "half a step": (settings(epoch_steps=0.5), "config.json: epoch_steps: should be a valid integer"),
    "more than all words": (settings(whole_words=1.1), "config.json: whole_words: should be less than or equal to 1"),
    "weights a list": (settings(weights=["a*"]), "config.json: weights: should be an object"),
    "weight NaN": (settings(weights={"a*": float("nan")}), "config.json: weights.a*: should be a finite number"),
    "text a list": (settings(train_file=["text"]), "config.json: train_file: should be a valid string"),
} | pick(bad_configs(CONFIG), "unknown key in the parent", "out of range", "vocabulary empty")  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


ENCODER = ("--encoder", "bert", "--input")
READERS = {
    "train_file": Reader("train", "text/a.txt", ("--config", "config.json", "--output", "new")),
    "evaluate --input": Reader("evaluate", "sentences.txt", (*ENCODER, "sentences.txt")),
    "evaluate --train": Reader("evaluate", "text/a.txt", (*ENCODER, "sentences.txt", "--train", "text/a.txt")),
    "fill --input": Reader("fill", "sentences.txt", (*ENCODER, "sentences.txt")),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_files_that_are_not_text(reader, folder, refused, without_tensorflow, monkeypatch):
    content, message = NOT_TEXT["GBK"]
    write(folder, {reader.file: content})
    monkeypatch.chdir(folder)
    assert refused(reader.main, *reader.arguments) == f"{reader.file}{message}"


def test_a_missing_text(folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    for arguments in ((*ENCODER, "none*"), (*ENCODER, "sentences.txt", "--train", "none*")):
        message = refused(evaluate.main, *arguments)
        assert message == "not a file, a folder with *.txt files or a pattern with a match: none*"


def test_a_missing_file_of_sentences(folder, refused, without_tensorflow, monkeypatch):
    name, message = NO_FILES["none"]
    monkeypatch.chdir(folder)
    assert refused(fill.main, *ENCODER, name) == f"{name}{message}"


def test_too_few_passages_for_dev(folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    error = refused(evaluate.main, *ENCODER, "sentences.txt", "--dev")
    assert error == "sentences.txt: no token to score among the passages kept out for dev (every 200th of a file)"
    write(folder, {"blank.txt": "\0\n\x7f\n"})
    assert refused(evaluate.main, *ENCODER, "blank.txt") == "blank.txt: no token to score"


SENTENCES = {
    "no mask": ("何[MASK]\n何\n", "sentences.txt, line 2: no [MASK]"),
    "too long": ("[MASK]" + "何" * 254, "sentences.txt, line 1: 257 tokens with [CLS] and [SEP], expected at most 256"),
    "a blank line": ("何[MASK]\n\n", "sentences.txt, line 2: no [MASK]"),
    "half a mask": ("何[MASK\n", "sentences.txt, line 1: no [MASK]"),
}


@pytest.mark.parametrize(("content", "message"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(content, message, folder, refused, without_tensorflow):
    write(folder, {"sentences.txt": content})
    assert refused(fill.main, "--encoder", folder / "bert", "--input", folder / "sentences.txt") == message


@pytest.mark.parametrize("top", [0, -1, 7, 10**30])
def test_an_impossible_number_of_candidates(top, folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "sentences.txt", "--top", top]
    assert refused(fill.main, *arguments) == f"--top {top}: expected 1 to 6"


@pytest.mark.parametrize(("module", "text"), [(evaluate, "text"), (fill, "sentences.txt")], ids=["evaluate", "fill"])
def test_an_encoder_without_the_head(module, text, folder, refused):
    error = refused(module.main, "--encoder", folder / "bert", "--input", folder / text)
    assert error.startswith(
        "bert: no masked-language-model head (the discriminators of ELECTRA have none): the file lacks cls/predictions/"
    )


def test_export_into_a_folder_that_exists(folder, refused, without_tensorflow):
    error = refused(export.main, "--encoder", folder / "bert", "--output", folder / "text")
    assert error == "text: exists already"


def test_export_of_damaged_weights(folder, refused, without_tensorflow):
    save_file({"bert.a": np.full(1, np.nan, np.float32)}, folder / "bert" / "model.safetensors")
    error = refused(export.main, "--encoder", folder / "bert", "--output", folder / "new")
    assert error == "bert/model.safetensors: bert.a has values that are not finite"


@pytest.mark.parametrize(("size", "message"), [(100, "bert_config.json: cannot be"), (3000, "new: cannot be")])
def test_export_to_a_full_disk(size, message, folder, refused):
    save_file({"bert.a": np.ones(1000, np.float32)}, folder / "bert" / "model.safetensors")
    with disk_full(size):
        error = refused(export.main, "--encoder", folder / "bert", "--output", folder / "new")
    assert f"{message} written (File too large)" in error


ENCODERS = {
    "no encoder": ({}, "none", "none: no such folder, and not a name on the hub"),
    "weights cut": ({"bert/model.safetensors": b"\x08\0\0\0"}, "bert", "bert/model.safetensors: not a readable"),
}


@pytest.mark.parametrize(("files", "name", "message"), ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("main", [evaluate.main, fill.main, export.main], ids=["evaluate", "fill", "export"])
def test_encoders(main, files, name, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, files)
    monkeypatch.chdir(folder)
    more = ("--output", "new") if main is export.main else ("--input", "sentences.txt")
    assert message in refused(main, "--encoder", name, *more)


def test_export_into_a_folder_that_cannot_be_made(folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    assert refused(export.main, "--encoder", "bert", "--output", "none/new").startswith("none/new: cannot be made (")


OFFICIAL = {
    "not JSON": ('{"text": "何"}\n{"text"', "official.json, line 2: not JSON"),
    "not JSON, in one object": ('{\n"text": "何",\n"qas": [}\n', "official.json, line 3: not JSON"),
    "not JSON, after lines": ('{"text": "何"}\n{\n"text": "何"}\n', "official.json, line 2: not JSON"),
    "no text": ('{"sentence": "何"}\n', 'official.json: no "text" and no "context"'),
    "missing": (None, "official.json: no such file"),
    "empty": ("", "official.json: empty file, expected JSON"),
    "brackets deep": ('{"a": ' * 900 + "{}" + "}" * 900, 'official.json: no "text" and no "context"'),
    "text a number": ('{"text": 1, "context": null}', 'official.json: no "text" and no "context"'),
    "text blank": ('{"text": " \u3000"}', 'official.json: no "text" and no "context"'),
    "a number": ("1e999", 'official.json: no "text" and no "context"'),
}


@pytest.mark.parametrize(("content", "message"), OFFICIAL.values(), ids=OFFICIAL)
def test_official_files(content, message, folder, refused):
    write(folder, {"official.json": content})
    error = refused(texts.main, "--input", folder / "official.json", "--output", folder / "out.txt")
    assert error.startswith(message)


def test_texts_into_a_file_that_cannot_be_written(folder, refused, monkeypatch):
    name, message = NO_OUTPUTS["no folder"]
    write(folder, {"official.json": '{"text": "何"}'})
    monkeypatch.chdir(folder)
    assert message in refused(texts.main, "--input", "official.json", "--output", name)
    error = refused(texts.main, "--input", "config.json", "official.json", "--output", "official.json")
    assert error == "official.json: is also an input; expected another name to write to"
