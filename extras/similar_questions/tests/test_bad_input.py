"""Whatever is wrong with the input: exit code 2, one line that says where and what, and nothing left behind."""

import json

import pytest

import augment
import evaluate
import generate
import search
import train
from common.testing import SIZES, VOCABULARY, bad_settings, run_files, write

CONFIG = {"train_file": "train.jsonl", "dev_file": "dev.tsv", "encoder": SIZES}
GROUPS = '{"text": "何", "synonyms": ["何何"]}\n'
PAIRS = "何\t何何\t1\n"


@pytest.fixture
def folder(tmp_path):
    """Everything that a training needs, all of it good; a run without weights, and an index of none."""
    folder = tmp_path / "input"
    folder.mkdir()
    write(folder, {
        "config.json": json.dumps(CONFIG), "vocab.txt": VOCABULARY,
        "train.jsonl": GROUPS, "dev.tsv": PAIRS, "questions.txt": "何\n", "train.json": GROUPS,
        "squad.json": '{"data": [{"paragraphs": [{"context": "何", "qas": [{"id": "1", "question": "何"}]}]}]}',
    } | run_files(CONFIG, None))  # fmt: skip
    return folder


def settings(**changes):
    return {"config.json": json.dumps(CONFIG | changes)}


EXPECTED_GROUP = 'train.jsonl, line 1: expected {"text": question, "synonyms": [question, ...]}'
EXPECTED_PAIR = "line 2: expected two questions and, or not, 0 or 1, with tabs between them"
TRAINING = {
    "no file": (settings(train_file="none.tsv"), "config.json: train_file: no such file"),
    "not JSON": ({"train.jsonl": GROUPS + "何\n"}, "train.jsonl, line 2: not JSON"),
    "no synonyms": ({"train.jsonl": '{"text": "何"}\n'}, EXPECTED_GROUP),
    "synonyms a string": ({"train.jsonl": '{"text": "何", "synonyms": "何"}\n'}, EXPECTED_GROUP),
    "synonyms numbers": ({"train.jsonl": '{"text": "何", "synonyms": [1]}\n'}, EXPECTED_GROUP),
    "blank question": ({"train.jsonl": '{"text": "何", "synonyms": [" "]}\n'}, "train.jsonl, line 1: a blank question"),
    "one question": ({"train.jsonl": '{"text": "何", "synonyms": ["何"]}\n'}, "train.jsonl: no two similar questions"),
    "one column": ({"dev.tsv": PAIRS + "何\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "four columns": ({"dev.tsv": PAIRS + "何\t何\t1\t1\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "another label": ({"dev.tsv": PAIRS + "何\t何\t2\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "blank column": ({"dev.tsv": PAIRS + "何\t \n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "not UTF-8": ({"dev.tsv": b"\xff\t\xff\n"}, "dev.tsv, line 1: not UTF-8"),
    "empty": ({"dev.tsv": ""}, "dev.tsv: empty file"),
    "no similar pair": ({"dev.tsv": "何\t何何\t0\n"}, "dev.tsv: no two similar questions"),
    "too few for dev": (settings(dev_file=None), "train.jsonl: too few groups without common"),
    "no room": (settings(max_length=4), "config.json: max_length: should be"),
    "a stride": (settings(stride=2), "config.json: unknown key stride"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), TRAINING.values(), ids=TRAINING)
def test_training(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "new")
    assert error.startswith(message)


COMMANDS = {
    "no run": (generate.main, {"--model": "none"}, "none: no such run folder"),
    "no questions": (generate.main, {"--input": "none.txt"}, "none.txt: no such file"),
    "no samples": (generate.main, {"--samples": "0"}, "--samples 0: expected 1 to 1000"),
    "no beam": (generate.main, {"--beam": "0"}, "--beam 0: expected 1 to 1000"),
    "no batch": (generate.main, {"--batch-size": "0"}, "--batch-size 0: expected 1 to 1000"),
    "no nucleus": (generate.main, {"--top-p": "0"}, "--top-p 0.0: expected more than 0 and at most 1"),
    "negative seed": (generate.main, {"--seed": "-1"}, "--seed -1: expected at least 0"),
    "none wanted": (generate.main, {"--n": "0"}, "--n 0: expected at least 1"),
    "output folder missing": (generate.main, {"--output": "none/out"}, "none/out: no such folder"),
    "no squad": (augment.main, {"--input": "questions.txt"}, "questions.txt, line 1: not JSON"),
    "no list": (augment.main, {"--input": "config.json"}, 'config.json: expected {"data": [...]}'),
    "no similarity": (augment.main, {"--input": "squad.json", "--similarity": "2"}, "--similarity 2.0: expected"),
    "none added": (augment.main, {"--input": "squad.json", "--k": "0"}, "--k 0: expected at least 1"),
}  # fmt: skip


@pytest.mark.parametrize(("main", "changes", "message"), COMMANDS.values(), ids=COMMANDS)
def test_generation(main, changes, message, folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    if changes.get("--input") == "none.txt":  # found when it is read, for it may be a pipe
        monkeypatch.setattr(generate, "load_generate", lambda *_: None)
    options = {"--model": "run", "--input": "questions.txt", "--output": "out"} | changes
    assert refused(main, *(part for option in options.items() for part in option)).startswith(message)


PARAGRAPH = 'squad.json, entry 1, paragraph 1: expected {"qas": [{"id": ..., "question": ...}, ...]}'
SQUAD = {
    "no paragraphs": ('{"data": [{}]}', 'squad.json, entry 1: expected {"paragraphs": [...]}'),
    "no questions": ('{"data": [{"paragraphs": [{}]}]}', PARAGRAPH),
    "no id": ('{"data": [{"paragraphs": [{"qas": [{"question": "何"}]}]}]}', PARAGRAPH),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), SQUAD.values(), ids=SQUAD)
def test_files_to_augment(content, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"squad.json": content})
    monkeypatch.chdir(folder)
    assert refused(augment.main, "--model", "run", "--input", "squad.json", "--output", "out.json") == message


SEARCHES = {
    "index there": (["index", "--input", "questions.txt", "--output", "run"], "run: exists already"),
    "no folder for it": (["index", "--input", "questions.txt", "--output", "a/b"], "a/b: no such folder: a"),
    "from a pipe": (["index", "--input", "-", "--output", "index"], "--input -: the questions are read twice"),
    "only blank lines": (["index", "--input", "blank.txt", "--output", "index"], "blank.txt: only blank lines"),
    "no index": (["query", "--index", "run", "--text", "何"], "run: not an index, index.json is missing"),
    "no neighbours": (["query", "--index", "run", "--text", "何", "--k", "0"], "--k 0: expected at least 1"),
}


@pytest.mark.parametrize(("arguments", "message"), SEARCHES.values(), ids=SEARCHES)
def test_search(arguments, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"blank.txt": "\n \n"})
    monkeypatch.chdir(folder)
    assert refused(search.main, *arguments, "--model", "run").startswith(message)


EVALUATIONS = {
    "no vectors": (["--pairs", "dev.tsv"], "--pairs: expected --model, --encoder or --tfidf, too"),
    "no pairs": (["--pairs", "none.tsv", "--tfidf"], "none.tsv: no such file"),
    "no encoder": (["--pairs", "dev.tsv", "--encoder", "./none"], "./none: no such folder"),
    "not generated": (["--generated", "train.jsonl"], "train.jsonl, line 1: expected"),
}


@pytest.mark.parametrize(("arguments", "message"), EVALUATIONS.values(), ids=EVALUATIONS)
def test_evaluation(arguments, message, folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    assert refused(evaluate.main, *arguments).startswith(message)


SETTINGS = {name: case for name, case in bad_settings(CONFIG).items() if name != "data missing"}


@pytest.mark.parametrize(("files", "message"), SETTINGS.values(), ids=SETTINGS)
def test_settings(files, message, folder, refused, without_tensorflow):
    write(folder, files)
    error = refused(train.main, "--config", folder / "config.json", "--output", folder.parent / "new")
    assert message in error
