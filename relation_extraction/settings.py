"""The keys of a config beside those of every task, which are in common/config.py."""

from typing import Literal

from common.config import Fraction, InputFile, WindowsConfig, config


@config
class Config(WindowsConfig):
    schema_file: InputFile
    head: Literal["pair", "pointer"] = "pair"
    threshold_share: Fraction = 0.05  # of the training examples, kept to choose the decoding threshold on
