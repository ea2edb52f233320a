"""Shared by the tests: siblings of the task by plain name, a schema, and one small training for each head."""

import os
import sys
from pathlib import Path

import pytest

TASK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TASK))
# Before TensorFlow starts its threads: models this small lose more to them than they gain.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing import REPOSITORY, write_tiny_config  # noqa: E402
from common.testing import call as call  # noqa: E402
from common.testing import refused as refused  # noqa: E402
from common.testing import shared as shared  # noqa: E402
from common.testing import tokenizer as tokenizer  # noqa: E402
from common.testing import without_tensorflow as without_tensorflow  # noqa: E402
from dataset import Labels  # noqa: E402
from schema import Predicate  # noqa: E402

DEMO = REPOSITORY / "data" / "demo" / "relation_extraction"


@pytest.fixture(scope="session")
def demo():
    return DEMO


@pytest.fixture(scope="session")
def labels():
    person, work, work_slot = {"@value": "人物"}, "影视作品", {"inWork": "影视作品"}
    prize = {"@value": "奖项", "inWork": "作品", "onDate": "Date", "period": "Number"}
    predicates = [
        Predicate("父亲", "人物", person),
        Predicate("导演", work, person),
        Predicate("饰演", "娱乐人物", person | work_slot),
        Predicate("配音", "娱乐人物", work_slot | person),
        Predicate("获奖", "娱乐人物", prize),
    ]
    return Labels({predicate.name: predicate for predicate in predicates})


@pytest.fixture(scope="session")
def make_config():
    """Writes the config of a small training, one layer of 32 units, and lines of the demo set to train on."""

    def make(folder, train_lines=60, **settings):
        lines = (DEMO / "train.json").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "train.json").write_text("".join(lines[:train_lines]), encoding="utf-8")
        (folder / "dev.json").write_text("".join(lines[:20]), encoding="utf-8")
        fixed = dict(schema_file="data:demo/relation_extraction/schema.json", max_length=320)
        return write_tiny_config(folder, **(fixed | settings))

    return make


@pytest.fixture(scope="session", params=["pair", "pointer"])
def trained(request, tmp_path_factory, make_config, call):
    """The folder of a finished run; the config, tiny.json, and its data are next to it."""
    from train import main

    folder = tmp_path_factory.mktemp(request.param)
    config = make_config(folder, head=request.param)
    call(main, "--config", config, "--output", folder / "run")
    return folder / "run"
