"""What the tests share: the modules of the folder by their plain names, and one small training."""

import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FOLDER))
# Set before TensorFlow starts its threads, which cost models this small more time than they save.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import REPOSITORY  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.runs import write_tiny_config  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


@pytest.fixture(scope="session")
def make_config():
    """Return a function that writes a small training: lines of the demo set, and a config for one layer of 32 units."""

    def make(folder, lines=400, **settings):
        text = (REPOSITORY / "data" / "demo" / "pretraining" / "train.txt").read_text(encoding="utf-8")
        (folder / "train.txt").write_text("".join(text.splitlines(keepends=True)[:lines]), encoding="utf-8")
        fixed = dict(train_file="train.txt", dev_file=None, epochs=4, epoch_steps=15, max_length=64, stride=62)
        return write_tiny_config(folder, **(fixed | settings))

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory, make_config, call):
    """Train and return the folder of the finished run. Its config, tiny.json, and its text are next to it."""
    from train import main

    folder = tmp_path_factory.mktemp("trained")
    call(main, "--config", make_config(folder), "--output", folder / "run")
    return folder / "run"
