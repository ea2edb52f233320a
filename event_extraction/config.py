"""The keys of a config that only this task has. Those of every task are in common/config.py."""

from typing import Annotated

from pydantic import PositiveFloat

from common.config import Fraction, InputFile, WindowedConfig, one_of, strict_config
from model import HEADS


@strict_config
class Config(WindowedConfig):
    schema_file: InputFile
    head: Annotated[str, one_of(HEADS)] = "joint"
    # The share of train that is kept out of training, to choose the thresholds on. The CRF head has none, but keeps the
    # same share out, so that the heads can be compared.
    threshold_share: Fraction = 0.05
    # The learning rate of the CRF's transitions. They need a larger one than the other layers
    # (kexue.fm/archives/7196).
    crf_learning_rate: PositiveFloat = 2e-3
