import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.testing.runs import assert_equal_runs, history, kill_training
from train import SCORES, main

FOLDER = Path(__file__).resolve().parents[1]


def test_a_run_folder_holds_everything(trained):
    assert sorted(path.name for path in trained.iterdir()) == [
        "checkpoint", "config.json", "curves.png", "encoder.json", "history.csv", "inputs.json", "logs", "metrics.json",
        "model.weights.h5", "vocab.txt",
    ]  # fmt: skip
    rows = history(trained)
    assert list(rows[0]) == ["epoch", "loss", *SCORES]
    for name in SCORES[:3]:
        assert float(rows[-1][name]) < float(rows[0][name])
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["dev"]["dev_loss"] == min(float(row["dev_loss"]) for row in rows)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(trained, call, tmp_path, capfd):
    arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]
    kill_training(FOLDER / "train.py", arguments, tmp_path / "run", checkpoints=12)
    call(main, *arguments)
    assert "resuming after" in capfd.readouterr().out
    assert_equal_runs(tmp_path / "run", trained)


def test_pairs_without_a_dev_file(make_config, call, tmp_path, capsys):
    """Train also with recomputed blocks, batches in pieces and averaged weights."""
    rows = "".join(f"第{i}个怎么卖\t第{i}个多少钱\n" for i in range(60))
    (tmp_path / "pairs.tsv").write_text(rows, encoding="utf-8")
    config = make_config(
        tmp_path, train_file="pairs.tsv", dev_file=None, epochs=1, recompute=1, accumulate=2,
        optimizer={"average": 0.9},
    )  # fmt: skip
    call(main, "--config", config, "--output", tmp_path / "run")
    assert "57 groups to train on, 3 dev, 120 questions" in capsys.readouterr().out


@pytest.mark.slow
def test_a_copy_of_the_folder_works_elsewhere(make_config, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "my_task", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    make_config(tmp_path, train_lines=12, epochs=1)

    def python(script, *arguments):
        return subprocess.run(
            [sys.executable, tmp_path / "my_task" / script, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip

    (tmp_path / "questions.txt").write_text("怎么开机\n多少钱\n", encoding="utf-8")
    run, questions = "runs/my_task/tiny", ["--input", "questions.txt"]
    assert python("train.py", "--config", "tiny.json").endswith(f"finished: {run}\n")
    python("generate.py", "--model", run, *questions, "--output", "generated.jsonl", "--samples", 3)
    assert json.loads(python("evaluate.py", "--generated", "generated.jsonl"))["questions"] == 2
    python("search.py", "index", "--model", run, *questions, "--output", "index")
    found = json.loads(python("search.py", "query", "--model", run, "--index", "index", "--text", "多少钱", "--k", 1))
    assert found["similar"] == [{"text": "多少钱", "line": 2, "similarity": 1.0}]
