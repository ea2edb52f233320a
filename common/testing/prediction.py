"""Tests of the predictions of every task whose files are JSON lines. Needs pytest."""

import io
import json
import re
import sys

import numpy as np
import pytest

from common.testing.commands import sibling
from common.testing.runs import read_records


@pytest.fixture(scope="module")
def submission(trained, inputs, call, tmp_path_factory):
    """Make a zip of TensorFlow's predictions for `inputs`."""
    path = tmp_path_factory.mktemp("output") / "result.zip"
    call(
        sibling("predict").main, "--model", trained, "--input", inputs, "--output", path, "--engine", "tensorflow",
    )  # fmt: skip
    return path


class PredictionTests:
    """Tests of a task's predictions. They need the fixtures `trained`, `submission` and `inputs`.

    `inputs` is a file of official lines without labels.
    """

    records: int  # the number of lines in `inputs`

    def test_the_leaderboard_would_take_it(self, trained, inputs, submission, call, capsys):
        main = sibling("check_submission").main
        call(main, "--input", inputs, "--predictions", submission, "--schema", trained / "schema.json")
        output = capsys.readouterr()
        assert output.out.startswith(f"OK: {self.records} records")
        assert output.err == ""

    def test_a_pipe_and_the_other_engine_give_the_same(self, trained, inputs, submission, call, capsys, monkeypatch):
        """OpenVINO runs in float32 here, because in bfloat16 some scores cross the threshold."""
        monkeypatch.setattr("common.inference.cpu_has_bfloat16", lambda: False)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(inputs.read_bytes())))
        call(
            sibling("predict").main, "--model", trained, "--input", "-", "--output", "-",
            "--engine", "openvino", "--batch-size", 7,
        )  # fmt: skip
        output = capsys.readouterr().out
        predictions, expected = [json.loads(line) for line in output.split("\n")[:-1]], read_records(submission)
        assert len(predictions) == len(expected)
        same = np.mean([ours == theirs for ours, theirs in zip(predictions, expected, strict=True)])
        assert same >= 0.995

    @pytest.mark.slow
    @pytest.mark.parametrize("trained", ["pair"], indirect=True)
    def test_workers_write_the_same(self, trained, call, tmp_path, monkeypatch):
        predict = sibling("predict")
        monkeypatch.setattr(predict, "CHUNK", 8)
        arguments = ["--model", trained, "--input", trained.parent / "dev.json", "--engine", "tensorflow"]
        call(predict.main, *arguments, "--output", tmp_path / "one.json")
        call(predict.main, *arguments, "--output", tmp_path / "two.json", "--workers", 2)
        assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()

    def test_a_text_of_the_command_line(self, trained, call, capfd):
        dev = read_records(trained.parent / "dev.json")
        for text in (max((record["text"] for record in dev), key=len), "\udcff", ""):
            call(sibling("predict").main, "--model", trained, "--text", text, "--engine", "tensorflow")
            lines = capfd.readouterr().out.splitlines()
            assert lines
            assert text or re.fullmatch(r"no \w+ found", *lines)

    def test_scores_what_training_said(self, trained, call, tmp_path):
        dev = trained.parent / "dev.json"
        call(sibling("predict").main, "--model", trained, "--input", dev, "--output", tmp_path / "dev.json")
        metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
        assert sibling("scoring").score(read_records(dev), read_records(tmp_path / "dev.json")) == metrics["dev"]
