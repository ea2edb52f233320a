"""What the tests share: the modules of the task by their plain names, and one small training for each head."""

import json
import os
import sys
from pathlib import Path

import pytest

TASK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TASK))
# Set before TensorFlow starts its threads, which cost models this small more time than they save.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import REPOSITORY  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import check_zipped as check_zipped  # noqa: E402
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.runs import write_tiny_config  # noqa: E402
from common.testing.training import trained_by_head  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402

DEMO = REPOSITORY / "data" / "demo" / "reading_comprehension"


@pytest.fixture(scope="session")
def demo():
    return DEMO


@pytest.fixture(scope="session")
def make_settings():
    """Return a function that makes a config of the given keys. The data files in it exist, but no test reads them."""
    from common.config import EncoderSizes
    from config import Config

    encoder = EncoderSizes(hidden_size=16, layers=1, heads=2)
    existing = str(DEMO / "dev.json")
    return lambda **keys: Config(train_file=existing, dev_file=existing, encoder=encoder, **keys)


@pytest.fixture(scope="session")
def make_config():
    """Return a function that writes a small training: its config and short paragraphs of the demo set.

    The encoder has one layer of 32 units. The last answer of dev is not in its context. A prediction can
    still match it, because the metric deletes punctuation.
    """
    answer = {"text": "云汀大学何川", "answer_start": -1}
    item = {"question": "何川毕业于哪里", "id": "unlocatable", "answers": [answer]}
    unlocatable = {"context": "云汀大学，何川", "qas": [item]}

    def make(folder, train_lines=45, **settings):
        (entry,) = json.loads((DEMO / "train.json").read_text(encoding="utf-8"))["data"]
        paragraphs = [paragraph for paragraph in entry["paragraphs"] if len(paragraph["context"]) < 120]
        for name, part in (("train", paragraphs[:train_lines]), ("dev", [*paragraphs[:12], unlocatable])):
            data = {"data": [{"paragraphs": part}]}
            (folder / f"{name}.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        fixed = dict(max_length=192, stride=64)
        return write_tiny_config(folder, **(fixed | settings))

    return make


trained = trained_by_head("pair", "softmax")
