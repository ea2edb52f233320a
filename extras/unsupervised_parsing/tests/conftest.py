"""What the tests share: siblings are imported by plain name, and there is an encoder that has learnt nothing."""

import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FOLDER))
# This comes before TensorFlow starts its threads: models this small lose more to them than they gain.
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

pytest.register_assert_rewrite("common.testing")

from common.config import EncoderSizes  # noqa: E402
from common.encoder import build_encoder, resolve_encoder, save_encoder  # noqa: E402
from common.testing.commands import call as call  # noqa: E402
from common.testing.commands import tokenizer as tokenizer  # noqa: E402
from common.testing.wrong_input import refused as refused  # noqa: E402
from common.testing.wrong_input import without_tensorflow as without_tensorflow  # noqa: E402


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Save an encoder of two layers of 16 units, and return its folder."""
    source = resolve_encoder(EncoderSizes(hidden_size=16, layers=2, heads=2))
    model = build_encoder(source.architecture, seed=1, with_mlm=True)
    for variable in model.trainable_variables:
        if "kernel" in variable.name:
            variable.assign(10 * variable)  # otherwise tokens would hardly see each other
    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    save_encoder(model, source, folder)
    return folder
