"""What the tests share: siblings are imported by plain name, and one small training is run."""

import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FOLDER))
# This comes before TensorFlow starts its threads: models this small lose more to them than they gain.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import REPOSITORY  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.runs import write_tiny_config  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


@pytest.fixture(scope="session")
def make_config():
    """Return a function that writes the config of a small training (a layer of 32 units) and groups of the demo set."""

    def make(folder, train_lines=40, **settings):
        demo = REPOSITORY / "data" / "demo" / "similar_questions"
        for name, lines in (("train", train_lines), ("dev", 10)):
            text = (demo / f"{name}.jsonl").read_text(encoding="utf-8")
            (folder / f"{name}.jsonl").write_text("".join(text.splitlines(keepends=True)[:lines]), encoding="utf-8")
        fixed = dict(train_file="train.jsonl", dev_file="dev.jsonl", batch_size=8, epochs=6, max_length=64)
        return write_tiny_config(folder, **(fixed | settings))

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory, make_config, call):
    """Train and return the run folder, which is next to its config, tiny.json, and its groups."""
    from train import main

    folder = tmp_path_factory.mktemp("trained")
    call(main, "--config", make_config(folder), "--output", folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def run_of(trained):
    """Return the (encoder, architecture, config) of this run."""
    from common.run_folder import load_run
    from config import Config
    from model import load_encoder

    folder, config, source = load_run(str(trained), Config)
    return load_encoder(folder, config, source), source.architecture, config
