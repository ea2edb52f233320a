"""The commands from end to end."""

import io
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import evaluate
import lexicon
import parse
import pictures
import segment
from common.testing.commands import write
from joining import contrast, join, joinable
from mutual import MutualInformation
from sentences import to_sentence, tokens

FOLDER = Path(__file__).resolve().parents[1]
DEMO = FOLDER / "demo"


@pytest.fixture
def run_segment(call, encoder, capsys):
    """Return a function that calls segment.py and returns the lines of its output, and the threshold that it chose."""

    def run_segment(*arguments):
        call(segment.main, "--encoder", encoder, *arguments)
        output = capsys.readouterr()
        chosen = re.findall(r"threshold (\S+)", output.err)
        return output.out.split("\n")[:-1], *chosen

    return run_segment


def test_segment_keeps_every_character_of_every_line(run_segment, tmp_path):
    text = "天地 玄黄，2009年\n\n \n好\n" + "天地玄黄" * 100 + "\n"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    lines, _ = run_segment("--input", tmp_path / "text.txt")
    assert ["".join(line.split()) for line in lines] == ["".join(line.split()) for line in text.split("\n")[:-1]]


def test_segment_as_json_and_from_a_pipe(run_segment, monkeypatch):
    plain, threshold = run_segment("--input", DEMO / "text.txt", "--word-length", 1.4)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((DEMO / "text.txt").read_bytes())))
    records = [json.loads(line) for line in run_segment("--input", "-", "--threshold", threshold, "--json")[0]]
    assert [" ".join(record["words"]) for record in records] == plain
    for record in records:
        assert len(record["scores"]) == len(record["tokens"]) - 1
        assert "".join(record["tokens"]) == "".join(record["words"]) == record["text"]
    words = [word for record in records for word in record["words"]]
    assert np.mean([len(word) for word in words]) == pytest.approx(1.4, abs=0.02)


def test_the_scores_are_those_that_were_compared(run_segment):
    lines = run_segment("--input", DEMO / "text.txt", "--threshold", 0, "--json")[0]
    for record in map(json.loads, lines):
        sentence = to_sentence([record["text"]], tokens)
        assert record["words"] == join(sentence, np.array(record["scores"]), 0)
        assert not all(score >= 0 for score in record["scores"])


def test_segment_adds_the_mutual_information_of_a_text(run_segment, tmp_path):
    """The text also chooses the threshold, and scales both parts of a score to unit variance."""
    alone, _ = run_segment("--input", DEMO / "text.txt", "--json")
    both, threshold = run_segment("--input", DEMO / "text.txt", "--text", DEMO / "text.txt", "--json")
    lines = (DEMO / "text.txt").read_text(encoding="utf-8").splitlines()
    parts = []
    for line, sentence in zip(alone, [to_sentence([line], tokens) for line in lines], strict=True):
        informed = contrast(MutualInformation(lines)(sentence))
        parts.append((np.array(json.loads(line)["scores"]), informed, joinable(sentence)))
    related, informed = (np.concatenate([part[i][part[2]] for part in parts]).std() for i in (0, 1))
    for (a, b, _), line in zip(parts, both, strict=True):  # the written scores are rounded to 1e-4
        np.testing.assert_allclose(json.loads(line)["scores"], a / related + b / informed, atol=1e-4 / related)
    (tmp_path / "one.txt").write_text("今天很好\n", encoding="utf-8")
    assert run_segment("--input", tmp_path / "one.txt", "--text", DEMO / "text.txt")[1] == threshold


def test_parse_and_evaluate_trees(call, encoder, tmp_path, capsys):
    gold = DEMO / "gold.conllu"
    arguments = ["--encoder", encoder, "--input", gold, "--spans", "given"]
    call(parse.main, *arguments, "--json", "--output", tmp_path / "trees.jsonl")
    call(parse.main, *arguments)
    lines = capsys.readouterr().out.split("\n")[:-1]
    records = [json.loads(line) for line in (tmp_path / "trees.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line.replace("(", "").replace(")", "").split() for line in lines] == [r["words"] for r in records]
    for record in records:
        matrix = np.array(record["matrix"])
        assert matrix.shape == (len(record["words"]),) * 2
        assert (np.diag(matrix) == 0).all()
    call(evaluate.main, "--gold", gold, "--predictions", tmp_path / "trees.jsonl", "--baselines")
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["precision", "recall", "f1", "uas", "uuas", "left_branching", "right_branching", "random"]
    # Apart from punctuation there are 38 words. The head of 10 is the next word, of another 10 the one before.
    assert scores["left_branching"]["uas"] == pytest.approx(10 / 38, abs=1e-4)
    assert scores["right_branching"]["uas"] == pytest.approx(10 / 38, abs=1e-4)


def test_parse_long_lines(call, encoder, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("天地玄黄\n\n" + "天，" * 20 + "\n", encoding="utf-8")
    arguments = ["--encoder", encoder, "--input", tmp_path / "text.txt", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentences.MAX_LENGTH", 32)
        call(parse.main, *arguments)
    output = capsys.readouterr()
    assert output.err.count("line 3: too long, parsed in 2 parts") == 1
    records = [json.loads(line) for line in output.out.splitlines()]
    assert [record["line"] for record in records] == [1, 2, 3]
    assert [record["words"] for record in records[:2]] == [list("天地玄黄"), []]
    assert records[2]["parts"] == [0, 30]


def test_pictures(call, encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "find_font", lambda: "DejaVu Sans")
    monkeypatch.setattr(parse, "MOST_DRAWN", 3)
    (tmp_path / "text.txt").write_text(f"我们 $好 _了\n\n好{'啊' * 3000}\n我 们 好 啊\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this font lacks the glyphs
        call(
            parse.main, "--encoder", encoder, "--input", tmp_path / "text.txt", "--spans", "given",
            "--output", tmp_path / "out", "--pictures", tmp_path / "new" / "pictures",
        )  # fmt: skip
    assert "line 4: too long to be drawn" in capsys.readouterr().err
    found = sorted((tmp_path / "new" / "pictures").iterdir())
    assert [path.name for path in found] == ["1.png", "1.svg", "3.png", "3.svg"]
    assert found[0].read_bytes()[:4] == b"\x89PNG"
    assert b"<svg" in found[1].read_bytes()


def test_evaluate_words(call, tmp_path, capsys):
    gold, ours = "我们  喜欢 北京 。\r\n\r\n", "我们 喜 欢北京。\n\n"
    write(tmp_path, {"gold": gold, "ours": ours, "text/a.txt": "我们喜欢\n" * 9})
    arguments = ["--gold", tmp_path / "gold", "--predictions", tmp_path / "ours"]
    call(evaluate.main, *arguments, "--baselines", "--train", tmp_path / "text")
    scores = json.loads(capsys.readouterr().out)
    assert {name: scores[name] for name in ("precision", "recall", "f1")} == {
        "precision": 0.3333, "recall": 0.25, "f1": 0.2857,
    }  # fmt: skip
    assert [scores[name]["f1"] for name in ("jieba", "characters", "pairs")] == [1, 0.1818, 1]
    assert list(scores)[-2:] == ["mutual_information", "mutual_information_contrast"]


def test_lexicon(call, tmp_path, capsys):
    write(tmp_path, {
        "words": "桅杆 喜欢 桅杆 ， 好 好 好 喜欢\n3月 3月 TensorFlow TensorFlow 榫卯 桅杆\n\n榫卯 桅杆驿 桅杆驿\n",
        "known": "榫卯\t7\n\n喜欢\n",
    })  # fmt: skip

    def words(*arguments):
        call(lexicon.main, "--input", tmp_path / "words", "--min-count", 2, *arguments)
        return capsys.readouterr().out.splitlines()

    assert words() == ["桅杆\t3", "喜欢\t2", "桅杆驿\t2", "榫卯\t2"]
    assert words("--new") == ["桅杆驿\t2"]
    assert words("--new", tmp_path / "known") == ["桅杆\t3", "桅杆驿\t2"]


@pytest.mark.slow
def test_a_copy_of_the_folder_works_elsewhere(encoder, tmp_path):
    copy = tmp_path / "my_parsing"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("tests", "__pycache__"))

    def python(script, *arguments):
        return subprocess.run(
            [sys.executable, copy / script, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip

    text, gold = copy / "demo" / "text.txt", copy / "demo" / "gold.txt"
    python("segment.py", "--encoder", encoder, "--input", text, "--output", "words.txt")
    assert "f1" in json.loads(python("evaluate.py", "--gold", gold, "--predictions", "words.txt"))
    assert python("parse.py", "--encoder", encoder, "--input", "words.txt", "--spans", "given").startswith("(")
    # The process of lexicon.py has not loaded jieba before.
    (tmp_path / "known.txt").write_text("喜欢 桅杆驿\n", encoding="utf-8")
    assert python("lexicon.py", "--input", "known.txt", "--min-count", 1, "--new") == "桅杆驿\t1\n"
