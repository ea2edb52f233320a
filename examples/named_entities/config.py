"""The keys of a config beside those of every task, which are in common/config.py."""

from common.config import Fraction, InputFile, WindowedConfig, strict_config


@strict_config
class Config(WindowedConfig):
    schema_file: InputFile
    threshold_share: Fraction = 0.05  # of train, kept to choose the threshold on
