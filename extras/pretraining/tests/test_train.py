import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from common.cli import UserError
from common.encoder import resolve_encoder
from common.testing.runs import assert_equal_runs, history, kill_training
from dataset import Text, Windows, to_corpus
from masked import load_model
from train import main

FOLDER = Path(__file__).resolve().parents[1]
SCORES = ["accuracy", "perplexity", "word_accuracy"]


def test_a_run_folder_holds_everything(trained):
    assert sorted(path.name for path in trained.iterdir()) == [
        "checkpoint", "config.json", "corpus.npz", "curves.png", "encoder", "encoder.json", "history.csv",
        "inputs.json", "logs", "metrics.json", "model.weights.h5", "vocab.txt",
    ]  # fmt: skip
    assert sorted(path.name for path in (trained / "encoder").iterdir()) == [
        "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    rows = history(trained)
    assert list(rows[0]) == ["epoch", "loss", *SCORES]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 1
    assert float(rows[-1]["perplexity"]) < float(rows[0]["perplexity"]) / 2
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["dev"]["accuracy"] == max(float(row["accuracy"]) for row in rows)
    assert metrics["dev"] == {name: float(rows[metrics["epoch"] - 1][name]) for name in SCORES}


def test_replaced_token_detection_leaves_an_encoder_without_head(make_config, call, tmp_path):
    config = make_config(tmp_path, objective="replaced", epochs=2)
    call(main, "--config", config, "--output", tmp_path / "run")
    rows = history(tmp_path / "run")
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "precision", "recall"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    weights = load_file(tmp_path / "run" / "encoder" / "model.safetensors")
    assert all(name.startswith("roformer.") for name in weights)
    encoder = resolve_encoder(str(tmp_path / "run" / "encoder"))
    assert encoder.architecture["hidden_size"] == 32
    with pytest.raises(UserError, match="no masked-language-model head"):
        load_model(encoder)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(trained, call, tmp_path, capfd):
    arguments = ["--config", trained.parent / "tiny.json", "--output", tmp_path / "run"]
    # 12 checkpoints are written: after steps 5 and 10 of each of the four epochs, and after each epoch.
    kill_training(FOLDER / "train.py", arguments, tmp_path / "run", checkpoints=11)
    call(main, *arguments)
    assert "resuming after" in capfd.readouterr().out
    assert_equal_runs(tmp_path / "run", trained)


def test_the_encoder_scores_what_training_said(trained, tokenizer):
    from common.inference import tensorflow_engine
    from masked import score

    source = resolve_encoder(str(trained / "encoder"))
    windows = Windows(to_corpus(Text([trained.parent / "train.txt"], "dev"), tokenizer), tokenizer, 64, 62)
    scores = score(tensorflow_engine(load_model(source)), windows, tokenizer)
    assert scores == pytest.approx(json.loads((trained / "metrics.json").read_text())["dev"], rel=1e-3)


def test_training_goes_on_from_an_encoder(trained, make_config, call, tmp_path, monkeypatch):
    """This training uses half precision, averaged weights, a dev file and batches in pieces."""
    from common import loss_model

    config = make_config(
        tmp_path, 60, encoder=str(trained / "encoder"), dev_file="train.txt", epochs=1, accumulate=2,
        learning_rate=1e-5, half_precision=True, optimizer={"average": 0.9},
    )  # fmt: skip
    pieces, original = [], loss_model.loss_and_gradients_in_pieces

    def noted(*arguments):
        pieces.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(loss_model, "loss_and_gradients_in_pieces", noted)
    call(main, "--config", config, "--output", tmp_path / "run")
    assert pieces
    before, after = (load_file(run / "encoder" / "model.safetensors") for run in (trained, tmp_path / "run"))
    assert {value.dtype.name for value in after.values()} == {"float16"}
    largest = max(np.abs(after[name] - value).max() for name, value in before.items())
    assert 0 < largest < 1e-2
    last = json.loads((trained / "metrics.json").read_text())["dev"]
    assert float(history(tmp_path / "run")[0]["perplexity"]) < 1.5 * last["perplexity"]
