"""The keys that only this task's configs have. Those of every task are in common/config.py."""

from typing import Annotated

from common.config import Fraction, InputFile, WindowedConfig, one_of, strict_config
from model import HEADS


@strict_config
class Config(WindowedConfig):
    schema_file: InputFile
    head: Annotated[str, one_of(HEADS)] = "pair"
    threshold_share: Fraction = 0.05  # the share of train_file that is kept out of training to choose the thresholds
