"""What the tests share: the task's files by plain name, a schema, and one small training for each head."""

import os
import sys
from pathlib import Path

import pytest

TASK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TASK))
# This must happen before TensorFlow starts its threads. Models this small lose more to threads than they gain.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.testing.commands import REPOSITORY  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import check_zipped as check_zipped  # noqa: E402
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.prediction import submission as submission  # noqa: E402
from common.testing.training import config_of_lines, trained_by_head  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402
from records import Labels  # noqa: E402

DEMO = REPOSITORY / "data" / "demo" / "event_extraction"


@pytest.fixture(scope="session")
def demo():
    return DEMO


@pytest.fixture(scope="session")
def labels():
    return Labels({
        "人生-死亡": ("时间", "死者"),
        "竞赛行为-胜负": ("胜者", "败者"),
        "财经/交易-涨停": ("时间", "股票"),
    })  # fmt: skip


make_config = config_of_lines(DEMO, "event_schema.json")
trained = trained_by_head("pair", "crf", "joint")
