"""The keys of a config that only pretraining has. Those of every training are in common/config.py."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field, NonNegativeFloat

from common.config import InputFiles, PositiveInt, WindowedConfig, strict_config


@strict_config
class Config(WindowedConfig):
    # Text with one passage per line: a file, a folder (its *.txt) or a pattern such as corpus/*.txt.
    train_file: InputFiles
    # The same. If it is null, every 200th passage of each train file is kept out of training and used for dev.
    dev_file: InputFiles | None = None  # type: ignore[assignment]  # required in the tasks
    # How often the passages of a file come in one pass over the text: pattern of the file's name -> number. The first
    # pattern that matches counts. Files that no pattern matches have the weight 1.
    weights: dict[str, NonNegativeFloat] = pydantic.Field(default_factory=dict)
    # Training steps of an epoch, which ends with the scores of dev. train.py prints how many steps a pass takes.
    epoch_steps: PositiveInt = 1000
    # Tokens from one window of a long passage to the next. With the default, windows of 256 tokens do not overlap.
    stride: PositiveInt = 254
    # Windows of max_length tokens in a batch. A batch of shorter windows has more of them: as many as have the same
    # number of tokens, but at most eight times as many.
    batch_size: PositiveInt = 32
    # "masked" finds masked tokens. "replaced" finds the tokens that a small generator got wrong (arXiv 2003.10555).
    objective: Literal["masked", "replaced"] = "masked"
    whole_words: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of the batches in which whole words are masked
    half_precision: bool = False  # whether the encoder folder is written in float16
