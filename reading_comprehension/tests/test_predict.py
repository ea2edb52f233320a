import json
import zipfile

import numpy as np
import pytest

import check_submission
import predict
from records import read_predictions, read_questions
from scoring import score

ODD = {  # name: (context, question)
    "empty": ("", "谁"),
    "blank": (" \t\u3000\r\n", "谁"),
    "long": ("何川的母校是云汀大学。" * 2_000, "何川毕业于哪所学校"),
    "one word": ("a" * 500, "谁"),
    "long question": ("何川的母校是云汀大学。", "何川毕业于哪所学校" * 60),
    "no question": ("何川的母校是云汀大学。", ""),
    "emoji": ("😀👩\u200d👩\u200d👧🇨🇳何川\x00\x07\u2028\ud800", "谁"),
}


@pytest.fixture(scope="module")
def inputs(demo, tmp_path_factory):
    """Write a file of the odd questions and of 60 questions of the demo set, whose ids are numbers."""
    (entry,) = json.loads((demo / "dev.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [{"context": c, "qas": [{"question": q, "id": name}]} for name, (c, q) in ODD.items()]
    for number, paragraph in enumerate(entry["paragraphs"][:60]):
        question = {"question": paragraph["qas"][0]["question"], "id": number}
        paragraphs.append({"context": paragraph["context"], "qas": [question]})
    path = tmp_path_factory.mktemp("inputs") / "test.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def output(trained, inputs, call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    call(
        predict.main, "--model", trained, "--input", inputs, "--output", folder / "result.zip",
        "--n-best", folder / "best.json", "--engine", "tensorflow",
    )  # fmt: skip
    return folder


def test_an_answer_for_every_id(inputs, output):
    questions, answers = read_questions(inputs, labelled=False), read_predictions(output / "result.zip")
    assert list(answers) == [question.id for question in questions]
    for question in questions:
        answer = answers[question.id]
        assert answer in question.context
        assert bool(answer) == bool(question.context.strip())
    with zipfile.ZipFile(output / "result.zip") as archive:
        assert archive.namelist() == ["result.json"]


def test_the_n_best(inputs, output):
    answers = read_predictions(output / "result.zip")
    best = json.loads((output / "best.json").read_text(encoding="utf-8"))
    assert best.keys() == answers.keys()
    for question in read_questions(inputs, labelled=False):
        found = best[question.id]
        assert [answer["text"] for answer in found[:1]] == [answers[question.id]] * bool(found)
        probabilities = [answer["probability"] for answer in found]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) <= 1 + 1e-6
        assert len({answer["text"] for answer in found}) == len(found) <= predict.N_BEST
        assert all(question.context[slice(*answer["span"])] == answer["text"] for answer in found)


def test_the_leaderboard_would_take_it(inputs, output, call, capsys):
    call(check_submission.main, "--input", inputs, "--predictions", output / "result.zip")
    assert capsys.readouterr().out == f"OK: {60 + len(ODD)} answers\n"


def test_the_other_engine_and_batches_give_the_same(trained, inputs, output, call, tmp_path, monkeypatch):
    """OpenVINO computes in float32 here, because in bfloat16 other spans become the best."""
    monkeypatch.setattr("common.inference.cpu_has_bfloat16", lambda: False)
    call(
        predict.main, "--model", trained, "--input", inputs, "--output", tmp_path / "answers.json",
        "--engine", "openvino", "--batch-size", 7,
    )  # fmt: skip
    ours, expected = read_predictions(tmp_path / "answers.json"), read_predictions(output / "result.zip")
    assert np.mean([ours[name] == expected[name] for name in expected]) >= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_workers_write_the_same(trained, call, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "CHUNK", 8)
    arguments = ["--model", trained, "--input", trained.parent / "dev.json", "--engine", "tensorflow"]
    for name, workers in {"one": [], "two": ["--workers", 2]}.items():
        files = ["--output", tmp_path / f"{name}.json", "--n-best", tmp_path / f"{name}.best.json"]
        call(predict.main, *arguments, *files, *workers)
    for file in ("json", "best.json"):
        assert (tmp_path / f"two.{file}").read_bytes() == (tmp_path / f"one.{file}").read_bytes()


def test_scores_what_training_said(trained, call, tmp_path):
    dev = trained.parent / "dev.json"
    call(predict.main, "--model", trained, "--input", dev, "--output", tmp_path / "dev.json")
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    found = score(read_questions(dev), read_predictions(tmp_path / "dev.json"))
    assert {name: found[name] for name in ("F1", "EM")} == metrics["dev"]


def test_a_text_of_the_command_line(trained, call, capfd):
    for text, question in (("何川的母校是云汀大学。", "何川毕业于哪所学校"), ("\udcff何川", ""), ("", "谁")):
        call(predict.main, "--model", trained, "--text", text, "--question", question, "--engine", "tensorflow")
        lines = capfd.readouterr().out.splitlines()
        assert 1 <= len(lines) <= predict.N_PRINTED
        assert text or lines == ["no answer found"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "何川"], "expected --text and --question together"),
        (["--input", "a", "--output", "b", "--question", "谁"], "expected --text and --question together"),
        (["--text", "何川", "--question", "谁", "--n-best", "b"], "--n-best: goes with --output, not with --text"),
    ],
)
def test_options_that_do_not_go_together(options, message, refused):
    assert refused(predict.main, "--model", "none", *options) == message


@pytest.mark.parametrize("trained", ["pair"], indirect=True)
def test_a_repeated_id_is_refused(trained, tmp_path, call, capsys):
    question = {"question": "谁", "id": "7"}
    data = {"data": [{"paragraphs": [{"context": "何川", "qas": [question, question]}]}]}
    (tmp_path / "test.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        call(predict.main, "--model", trained, "--input", tmp_path / "test.json", "--output", tmp_path / "out.json")
    assert "2 questions have the id '7'" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
