"""The keys of a config beside those of every task, which are in common/config.py."""

from typing import Literal

from common.config import Fraction, InputFile, WindowedConfig, strict_config


@strict_config
class Config(WindowedConfig):
    schema_file: InputFile
    head: Literal["pair", "pointer"] = "pair"
    threshold_share: Fraction = 0.05  # of the training examples, kept to choose the decoding threshold on
