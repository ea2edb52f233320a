"""What the tests share: imports of the task's files by plain name, a schema, and one small training for each head."""

import os
import sys
from pathlib import Path

import pytest

TASK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TASK))
# TensorFlow reads these when it starts. Models this small lose more to threads than they gain.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import REPOSITORY  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.prediction import submission as submission  # noqa: E402
from common.testing.training import config_of_lines, trained_by_head  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402
from records import Labels, Predicate  # noqa: E402

DEMO = REPOSITORY / "data" / "demo" / "relation_extraction"


@pytest.fixture(scope="session")
def demo():
    return DEMO


@pytest.fixture(scope="session")
def task():
    return TASK


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


make_config = config_of_lines(DEMO, "schema.json")
trained = trained_by_head("pair", "pointer")
