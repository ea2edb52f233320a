"""The keys of a config beside those of every task, which are in common/config.py."""

from typing import Annotated

from pydantic import PositiveFloat

from common.config import Fraction, InputFile, WindowedConfig, one_of, strict_config
from model import HEADS


@strict_config
class Config(WindowedConfig):
    schema_file: InputFile
    head: Annotated[str, one_of(HEADS)] = "pair"
    threshold_share: Fraction = 0.05  # of train, kept to choose the pair head's threshold on; by crf too, to compare
    crf_learning_rate: PositiveFloat = 2e-3  # of the transitions, which need a larger one (kexue.fm/archives/7196)
