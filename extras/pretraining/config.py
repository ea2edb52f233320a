"""The keys of a config beside those of every task, which are in common/config.py."""

from typing import Annotated

import pydantic
from pydantic import Field, NonNegativeFloat

from common.config import EncoderSizes, InputFiles, PositiveInt, WindowedConfig, strict_config


@strict_config
class Config(WindowedConfig):
    train_file: InputFiles  # text, one passage per line: a file, a folder (its *.txt) or a pattern such as corpus/*.txt
    dev_file: InputFiles | None = None  # the same; null: every 200th passage of each train file is kept out for it
    weights: dict[str, NonNegativeFloat] = pydantic.Field(default_factory=dict)  # how often the passages of a file come
    # in one pass over the text: by a pattern of its name, the first that fits; 1 where none does
    epoch_steps: PositiveInt = 1000  # of an epoch, after which dev is scored; a pass over the text is printed
    stride: PositiveInt = 254  # windows of passages that are too long do not overlap
    batch_size: PositiveInt = 32  # windows of max_length; of shorter ones as many more as have as many tokens, up to 8x
    whole_words: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of the batches in which whole words are masked
    half_precision: bool = False  # the encoder folder in float16

    @pydantic.model_validator(mode="after")
    def _check_words(self) -> "Config":
        if isinstance(self.encoder, EncoderSizes) and self.encoder.word_level:
            raise ValueError("encoder.word_level: an encoder folder cannot say how its vocabulary is used")
        return self
