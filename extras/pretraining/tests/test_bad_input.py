"""Whatever is wrong with the input: exit code 2, one line that says where and what, and nothing left behind."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import evaluate
import export
import fill
import texts
import train
from common.testing import BERT, SIZES, VOCABULARY, write

CONFIG = {"train_file": "text", "encoder": SIZES}


@pytest.fixture
def folder(tmp_path):
    """Everything that a training needs, all of it good; and an encoder without masked-language-model head."""
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


TRAINING = {
    "no text": (settings(train_file="none.txt"), "config.json: train_file: no such file, folder of *.txt or pattern"),
    "folder without text": (settings(train_file="empty"), "config.json: train_file: no such file, folder of *.txt or"),
    "no dev": (settings(dev_file="none*.txt"), "config.json: dev_file: no such file, folder of *.txt or pattern"),
    "not UTF-8": ({"text/b.txt": b"\xe4\xbd\x95\n\xff\n"}, "text/b.txt, line 2: not UTF-8"),
    "empty": ({"text/a.txt": ""}, "text/a.txt: empty file"),
    "blank": ({"text/a.txt": "\n \n"}, "text/a.txt: only blank lines, expected one passage per line"),
    "nothing for dev": ({"text/a.txt": "何\n", "text/b.txt": "何\n"}, "text: no passage for dev"),
    "weight of no file": (settings(weights={"c*": 2}), "weights: no train file is called c*"),
    "negative weight": (settings(weights={"a*": -1}), "config.json: weights.a*: should be"),
    "all weights 0": (settings(weights={"*": 0}), "weights: all train files have the weight 0"),
    "words as tokens": (settings(encoder=SIZES | {"word_level": True}), "config.json: encoder.word_level: an encoder"),
    "unknown key": (settings(whole_word=1), "config.json: unknown key whole_word (did you mean whole_words?)"),
    "windows with gaps": (settings(max_length=128), "config.json: stride 254 is more than max_length - 2"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "run")
    assert message in error


SENTENCES = {
    "no mask": ("何[MASK]\n何\n", "sentences.txt, line 2: no [MASK]"),
    "too long": ("[MASK]" + "何" * 254, "sentences.txt, line 1: 257 tokens with [CLS] and [SEP], 256 is the most"),
    "empty": ("", "sentences.txt: empty file, expected a text per line"),
}


@pytest.mark.parametrize(("content", "message"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(content, message, folder, refused, without_tensorflow):
    write(folder, {"sentences.txt": content})
    assert refused(fill.main, "--encoder", folder / "bert", "--input", folder / "sentences.txt") == message


@pytest.mark.parametrize("top", [0, 7])
def test_candidates_that_cannot_be(top, folder, refused, without_tensorflow):
    arguments = ["--encoder", folder / "bert", "--input", folder / "sentences.txt", "--top", top]
    assert refused(fill.main, *arguments) == f"--top {top}: expected 1 to 6"


@pytest.mark.parametrize(("module", "text"), [(evaluate, "text"), (fill, "sentences.txt")], ids=["evaluate", "fill"])
def test_an_encoder_without_the_head(module, text, folder, refused):
    error = refused(module.main, "--encoder", folder / "bert", "--input", folder / text)
    assert error.startswith("bert: no masked-language-model head, the file lacks cls/predictions/")


def test_export_into_what_is_there(folder, refused, without_tensorflow):
    error = refused(export.main, "--encoder", folder / "bert", "--output", folder / "text")
    assert error == "text: cannot be made (File exists)"


OFFICIAL = {
    "not JSON": ('{"text": "何"}\n{"text"', "official.json, line 2: not JSON"),
    "no text": ('{"sentence": "何"}\n', 'official.json: no "text" and no "context"'),
    "missing": (None, "official.json: no such file"),
}


@pytest.mark.parametrize(("content", "message"), OFFICIAL.values(), ids=OFFICIAL)
def test_official_files(content, message, folder, refused):
    write(folder, {"official.json": content})
    error = refused(texts.main, "--input", folder / "official.json", "--output", folder / "out.txt")
    assert error.startswith(message)
