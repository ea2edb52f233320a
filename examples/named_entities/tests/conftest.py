"""What the tests share: the task's files by plain name, the demo set and some labels."""

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
from common.testing.commands import shared as shared  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


@pytest.fixture(scope="session")
def demo():
    return REPOSITORY / "data" / "demo" / "named_entities"


@pytest.fixture(scope="session")
def labels():
    return ["address", "company", "name"]
