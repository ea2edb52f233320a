"""Any mistake in the input gives exit code 2 and one line that says where and what; nothing is left behind."""

import hashlib
import io
import json

import faiss
import numpy as np
import pytest

import augment
import evaluate
import generate
import search
import train
from common.testing.commands import disk_full, write
from common.testing.wrong_files import NO_FILES, NO_OUTPUTS, NOT_JSON, NOT_OBJECTS, VOCABULARY, Reader
from common.testing.wrong_input import SIZES, bad_configs, pick, run_files

CONFIG = {"train_file": "train.jsonl", "dev_file": "dev.tsv", "encoder": SIZES}
GROUPS = '{"text": "何", "synonyms": ["何何"]}\n'
PAIRS = "何\t何何\t1\n"


@pytest.fixture
def folder(tmp_path):
    """Write everything that a training needs, without a mistake, and also a run with empty weights and its index."""
    folder = tmp_path / "input"
    folder.mkdir()
    write(folder, {
        "config.json": json.dumps(CONFIG), "vocab.txt": VOCABULARY,
        "train.jsonl": GROUPS, "dev.tsv": PAIRS, "questions.txt": "何\n", "train.json": GROUPS,
        "numbers.jsonl": '{"text": "何", "similar": [{"text": 1}]}\n',
        "squad.json": '{"data": [{"paragraphs": [{"context": "何", "qas": [{"id": "1", "question": "何"}]}]}]}',
    } | run_files(CONFIG, None) | index_files())  # fmt: skip
    return folder


def settings(**changes):
    return {"config.json": json.dumps(CONFIG | changes)}


EXPECTED_GROUP = 'train.jsonl, line 1: expected {"text": question, "synonyms": [question, ...]}'
EXPECTED_PAIR = "line 2: expected two questions and, optionally, 0 or 1, with tabs or commas between them, found"
TRAINING = {
    "no file": (settings(train_file="none.tsv"), "config.json: train_file: no such file"),
    "not JSON": ({"train.jsonl": GROUPS + "何\n"}, "train.jsonl, line 2: not JSON"),
    "no synonyms": ({"train.jsonl": '{"text": "何"}\n'}, EXPECTED_GROUP),
    "synonyms a string": ({"train.jsonl": '{"text": "何", "synonyms": "何"}\n'}, EXPECTED_GROUP),
    "synonyms numbers": ({"train.jsonl": '{"text": "何", "synonyms": [1]}\n'}, EXPECTED_GROUP),
    "blank question": ({"train.jsonl": '{"text": "何", "synonyms": [" "]}\n'}, "train.jsonl, line 1: a blank question"),
    "one question": ({"train.jsonl": '{"text": "何", "synonyms": ["何"]}\n'}, "train.jsonl: no two similar questions"),
    "one column": ({"dev.tsv": PAIRS + "何\n"}, f"dev.tsv, {EXPECTED_PAIR} 1 column"),
    "four columns": ({"dev.tsv": PAIRS + "何\t何\t1\t1\n"}, f"dev.tsv, {EXPECTED_PAIR} 4 columns"),
    "another label": ({"dev.tsv": PAIRS + "何\t何\t2\n"}, f"dev.tsv, {EXPECTED_PAIR} '2' in place of 0 or 1"),
    "blank column": ({"dev.tsv": PAIRS + "何\t \n"}, f"dev.tsv, {EXPECTED_PAIR} a blank column"),
    "not UTF-8": ({"dev.tsv": b"\xff\t\xff\n"}, "dev.tsv, line 1: not UTF-8"),
    "empty": ({"dev.tsv": ""}, "dev.tsv: empty file"),
    "no similar pair": ({"dev.tsv": "何\t何何\t0\n"}, "dev.tsv: no two similar questions"),
    "too few for dev": (settings(dev_file=None), "train.jsonl: too few groups to keep some for dev; expected 20"),
    "no room": (settings(max_length=4), "config.json: max_length: should be"),
    "a stride": (settings(stride=2), "config.json: unknown key stride"),
    "text a number": ({"train.jsonl": '{"text": 1, "synonyms": []}\n'}, EXPECTED_GROUP),
    "synonyms null": ({"train.jsonl": '{"text": "何", "synonyms": null}\n'}, EXPECTED_GROUP),
    "synonyms by name": ({"train.jsonl": '{"text": "何", "synonyms": {"a": "何"}}\n'}, EXPECTED_GROUP),
    "synonyms in a list": ({"train.jsonl": '{"text": "何", "synonyms": [["何"]]}\n'}, EXPECTED_GROUP),
    "blank text": ({"train.jsonl": '{"text": "\u3000", "synonyms": ["何"]}\n'}, "train.jsonl, line 1: a blank"),
    "spaces for a tab": ({"dev.tsv": PAIRS + "何  何\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "blank line": ({"dev.tsv": PAIRS + "\n" + PAIRS}, "dev.tsv, line 2: blank line, expected two questions and, optio"),
    "ids": ({"dev.tsv": PAIRS + "1\t何\t何何\t1\n"}, f"dev.tsv, {EXPECTED_PAIR} 4 columns; if the first one is an id"),
    "ids, no labels": ({"dev.tsv": PAIRS + "1\t何\t何何\n"}, f"dev.tsv, {EXPECTED_PAIR} 3 columns; if the first one"),
    "names with an id": ({"dev.tsv": "id\ts\tt\tlabel\n"}, "dev.tsv, line 1: expected two questions and, optionally"),
    "quotes": ({"dev.tsv": '何,何何,1\n何,"何"何,1\n'}, f"dev.tsv, {EXPECTED_PAIR} a broken line ("),
    "quotes open": ({"dev.tsv": '何,何何,1\n何,"何何,1\n'}, f"dev.tsv, {EXPECTED_PAIR} a broken line ("),
    "a comma too many": ({"dev.tsv": "何,何何,1\n何,何,何,1\n"}, f"dev.tsv, {EXPECTED_PAIR} 4 columns"),
    "JSON without a label": (
        {"dev.tsv": '{"sentence1": "何", "sentence2": "何何"}\n'},
        'dev.tsv, line 1: expected strings "sentence1" and "sentence2", and 0 or 1 as "label"',
    ),
    "a blank sentence": (
        {"dev.tsv": '{"sentence1": "何", "sentence2": " ", "label": 1}\n'}, "dev.tsv, line 1: a blank question"
    ),
    "an array": ({"train.jsonl": f"[{GROUPS.strip()}]"}, "train.jsonl, line 1: expected one JSON object per line, fo"),
    "a tab too many": ({"dev.tsv": PAIRS + "何\t何\t\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "label a word": ({"dev.tsv": PAIRS + "何\t何\ttrue\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "label of full width": ({"dev.tsv": PAIRS + "何\t何\t１\n"}, f"dev.tsv, {EXPECTED_PAIR}"),
    "no token": (
        {"train.jsonl": '{"text": "何", "synonyms": ["\u200b"]}\n'}, "train.jsonl: no two similar questions with a"
    ),
    "no token in dev": ({"dev.tsv": "\u200b\t何\n" * 2}, "dev.tsv: no two similar questions with a token"),
    "no token in what is kept out": (
        settings(dev_file=None, train_file="many.tsv")
        | {"many.tsv": "".join(f"{i}何\t{i}\n" for i in range(19)) + "何\t\u200b\n"},
        "many.tsv: no two similar questions with a token",
    ),
    "the same twice": ({"dev.tsv": "何\t何 \t1\n"}, "dev.tsv: no two similar questions"),
} | pick(bad_configs(CONFIG), "unknown key", "out of range", "vocabulary empty")  # fmt: skip


TRAIN = ("--config", "config.json", "--output", "new")
GENERATE = ("--model", "run", "--output", "new", "--input")
READERS = {
    "train_file": Reader("train", "train.jsonl", TRAIN),
    "dev_file": Reader("train", "dev.tsv", TRAIN),
    "generate --input": Reader("generate", "questions.txt", (*GENERATE, "questions.txt")),
    "augment --input": Reader("augment", "squad.json", (*GENERATE, "squad.json")),
    "evaluate --pairs": Reader("evaluate", "dev.tsv", ("--pairs", "dev.tsv", "--tfidf")),
    "evaluate --generated": Reader("evaluate", "train.jsonl", ("--generated", "train.jsonl")),
    "evaluate --train": Reader("evaluate", "train.jsonl", ("--generated", "questions.txt", "--train", "train.jsonl")),
    "search index --input": Reader(
        "search", "questions.txt", ("index", "--model", "run", "--output", "new", "--input", "questions.txt")
    ),
    "search query --input": Reader(
        "search", "asked.txt", ("query", "--model", "run", "--index", "index", "--input", "asked.txt")
    ),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_files_of_another_form(reader, folder, refused, without_tensorflow, monkeypatch):
    content, message = NOT_JSON["GBK"]  # not UTF-8, so a file of any form is refused
    write(folder, {reader.file: content})
    monkeypatch.chdir(folder)
    assert refused(reader.main, *reader.arguments).startswith(f"{reader.file}{message}")


@pytest.mark.parametrize(("content", "message"), NOT_OBJECTS.values(), ids=NOT_OBJECTS)
@pytest.mark.parametrize("reader", ["train_file", "evaluate --generated", "evaluate --train"])
def test_lines_that_are_no_objects(reader, content, message, folder, refused, without_tensorflow, monkeypatch):
    reader = READERS[reader]
    write(folder, {reader.file: content})
    monkeypatch.chdir(folder)
    assert refused(reader.main, *reader.arguments).startswith(f"{reader.file}{message}")


@pytest.mark.parametrize("reader", list(READERS.values())[2:], ids=list(READERS)[2:])
def test_names_of_no_file(reader, folder, refused, without_tensorflow, monkeypatch):
    name, message = NO_FILES["none"]
    monkeypatch.chdir(folder)
    assert refused(reader.main, *reader.with_name(name)) == f"{name}{message}"


@pytest.mark.parametrize("main", [generate.main, augment.main], ids=["generate", "augment"])
def test_names_of_no_output(main, folder, refused, without_tensorflow, monkeypatch):
    name, message = NO_OUTPUTS["no folder"]
    monkeypatch.chdir(folder)
    assert message in refused(main, "--model", "run", "--input", "squad.json", "--output", name)
    error = refused(main, "--model", "run", "--input", "squad.json", "--output", "squad.json")
    assert error == "squad.json: is also an input; expected another name to write to"


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
    "beams drawn from": (
        generate.main, {"--beam": "4", "--top-p": "0.95"}, "--top-p: cannot be used with --beam, which draws nothing"
    ),
    "beams as samples": (augment.main, {"--input": "squad.json", "--beam": "4", "--samples": "30"}, "--samples: can"),
    "beams of a seed": (generate.main, {"--beam": "4", "--seed": "42"}, "--seed: cannot be used with --beam"),
    "too many samples": (generate.main, {"--samples": "1001"}, "--samples 1001: expected 1 to 1000"),
    "negative batch": (generate.main, {"--batch-size": "-1"}, "--batch-size -1: expected 1 to 1000"),
    "nucleus NaN": (generate.main, {"--top-p": "nan"}, "--top-p nan: expected more than 0 and at most 1"),
    "nucleus infinite": (augment.main, {"--top-p": "inf"}, "--top-p inf: expected more than 0 and at most 1"),
    "similarity NaN": (augment.main, {"--input": "squad.json", "--similarity": "nan"}, "--similarity nan: expected -1"),
    "no run to augment": (augment.main, {"--model": "none", "--input": "squad.json"}, "none: no such run folder"),
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
    options = {"--model": "run", "--input": "questions.txt", "--output": "out"} | changes
    assert refused(main, *(part for option in options.items() for part in option)).startswith(message)


PARAGRAPH = 'squad.json, entry 1, paragraph 1: expected {"qas": [{"id": ..., "question": ...}, ...]}'
SQUAD = {
    "no paragraphs": ('{"data": [{}]}', 'squad.json, entry 1: expected {"paragraphs": [...]}'),
    "no questions": ('{"data": [{"paragraphs": [{}]}]}', PARAGRAPH),
    "no id": ('{"data": [{"paragraphs": [{"qas": [{"question": "何"}]}]}]}', PARAGRAPH),
    "id null": ('{"data": [{"paragraphs": [{"qas": [{"id": null, "question": "何"}]}]}]}', PARAGRAPH),
    "question a number": ('{"data": [{"paragraphs": [{"qas": [{"id": 1, "question": 1}]}]}]}', PARAGRAPH),
    "question a string": ('{"data": [{"paragraphs": [{"qas": ["何"]}]}]}', PARAGRAPH),
    "paragraph a list": ('{"data": [{"paragraphs": [[]]}]}', PARAGRAPH),
    "paragraphs null": ('{"data": [{"paragraphs": null}]}', 'squad.json, entry 1: expected {"paragraphs": [...]}'),
    "entry a string": ('{"data": ["何"]}', 'squad.json, entry 1: expected {"paragraphs": [...]}'),
    "data an object": ('{"data": {}}', 'squad.json: expected {"data": [...]}'),
    "null": ("null", 'squad.json: expected {"data": [...]}'),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), SQUAD.values(), ids=SQUAD)
def test_files_to_augment(content, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"squad.json": content})
    monkeypatch.chdir(folder)
    assert refused(augment.main, "--model", "run", "--input", "squad.json", "--output", "out.json") == message


SEARCHES = {
    "index there": (["index", "--input", "questions.txt", "--output", "run"], "run: exists already"),
    "no folder for it": (["index", "--input", "questions.txt", "--output", "a/b"], "a/b: cannot be made (No such file"),
    "from a pipe": (["index", "--input", "-", "--output", "new"], "--input -: expected a file, because"),
    "only blank lines": (["index", "--input", "blank.txt", "--output", "new"], "blank.txt: only blank lines"),
    "no index": (["query", "--index", "run", "--text", "何"], "run: not an index, index.json is missing"),
    "index a file": (["query", "--index", "vocab.txt", "--text", "何"], "vocab.txt: not an index, index.json"),
    "negative neighbours": (["query", "--index", "run", "--text", "何", "--k", "-1"], "--k -1: expected at least 1"),
    "no neighbours": (["query", "--index", "run", "--text", "何", "--k", "0"], "--k 0: expected at least 1"),
}


@pytest.mark.parametrize(("arguments", "message"), SEARCHES.values(), ids=SEARCHES)
def test_search(arguments, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, {"blank.txt": "\n \n"})
    monkeypatch.chdir(folder)
    assert refused(search.main, *arguments, "--model", "run").startswith(message)


def index_files(index=None, places=None, content=None):
    """Return the files of an index of one question, which is good except for what is given."""
    files = {"questions.txt": "何\n", "index.json": content or json.dumps({"model": hashlib.sha256(b"").hexdigest()})}
    good = faiss.IndexFlatIP(2)
    good.add(np.ones((1, 2), np.float32))
    vectors = faiss.serialize_index(good).tobytes()
    files["index.faiss"] = vectors if index is None else index(vectors)
    files["places.npy"] = _saved(np.zeros((1, 2), np.int64)) if places is None else places
    return {f"index/{name}": data for name, data in files.items()}


def _saved(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


INDEXES = {
    "no vectors": (index_files(index=lambda _: b""), "index: a damaged index ("),
    "other vectors": (index_files(index=lambda _: b"x" * 100), "index: a damaged index ("),
    "vectors cut": (index_files(index=lambda vectors: vectors[:-3]), "index: a damaged index ("),
    "no places": (index_files(places=b""), "index: a damaged index ("),
    "other places": (index_files(places=b"places"), "index: a damaged index ("),
    "places cut": (index_files(places=_saved(np.zeros((1, 2), np.int64))[:-1]), "index: a damaged index ("),
    "no place": (index_files(places=_saved(np.zeros((0, 2), np.int64))), "index: a damaged index (not as many"),
    "description a list": (index_files(content="[]"), "index: a damaged index ("),
    "description without a model": (index_files(content="{}"), "index: a damaged index ('model')"),
    "another model": (index_files(content='{"model": ""}'), "index: was not made with the model of run; expected"),
    "description broken": (index_files(content="{"), "index/index.json, line 1: not JSON"),
    "a folder for a file": ({"index/index.json": None, "index/index.json/a": ""}, "index: not an index, index.json is"),
    "questions missing": (index_files() | {"index/questions.txt": None}, "index: not an index, questions.txt is"),
}


@pytest.mark.parametrize(("files", "message"), INDEXES.values(), ids=INDEXES)
def test_damaged_indexes(files, message, folder, refused, without_tensorflow, monkeypatch):
    write(folder, files)
    monkeypatch.chdir(folder)
    assert refused(search.main, "query", "--index", "index", "--text", "何", "--model", "run").startswith(message)


@pytest.mark.parametrize("size", [100, 1000, 5000])  # full while writing the questions, their places, the vectors
def test_an_index_on_a_full_disk(size, folder, refused, monkeypatch):
    def embed(questions):
        return np.ones((len(questions), 64), np.float32)

    monkeypatch.setattr(search, "load_embed", lambda *_: embed)
    write(folder, {"questions.txt": "何\n" * 100})
    monkeypatch.chdir(folder)
    with disk_full(size):
        error = refused(search.main, "index", "--model", "run", "--input", "questions.txt", "--output", "new")
    assert error == "new: cannot be written (File too large)"


EVALUATIONS = {
    "nothing to score": (["--pairs", ""], "--pairs: expected --model, --encoder or --tfidf as well"),
    "no run": (["--pairs", "dev.tsv", "--model", "none"], "none: no such run folder"),
    "no vectors": (["--pairs", "dev.tsv"], "--pairs: expected --model, --encoder or --tfidf as well"),
    "vectors of no pairs": (["--generated", "questions.txt", "--tfidf"], "--generated: cannot be used with --"),
    "a run of no pairs": (["--generated", "questions.txt", "--model", "run"], "--generated: cannot be used with"),
    "known to no purpose": (
        ["--pairs", "dev.tsv", "--tfidf", "--train", "train.jsonl"],
        "--pairs: cannot be used with --train, which is for",
    ),
    "no pairs": (["--pairs", "none.tsv", "--tfidf"], "none.tsv: no such file"),
    "no encoder": (["--pairs", "dev.tsv", "--encoder", "./none"], "./none: no such folder"),
    "groups for pairs": (["--pairs", "train.jsonl", "--tfidf"], "train.jsonl, line 1: expected two questions and, opt"),
    "not generated": (["--generated", "train.jsonl"], "train.jsonl, line 1: expected"),
    "generated numbers": (["--generated", "numbers.jsonl"], "numbers.jsonl, line 1: expected"),
}


@pytest.mark.parametrize(("arguments", "message"), EVALUATIONS.values(), ids=EVALUATIONS)
def test_evaluation(arguments, message, folder, refused, without_tensorflow, monkeypatch):
    monkeypatch.chdir(folder)
    assert refused(evaluate.main, *arguments).startswith(message)
