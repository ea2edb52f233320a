"""The keys of a config."""

import dataclasses
from typing import Annotated, Literal

import pydantic
from pydantic import Field, PositiveFloat, PositiveInt

from common.config import EncoderSpec, Fraction, InputFile, OptimizerConfig, config


@config
class Config:
    train_file: InputFile
    dev_file: InputFile
    schema_file: InputFile
    encoder: EncoderSpec
    head: Literal["pair", "pointer"] = "pair"
    max_length: Annotated[int, Field(ge=3)] = 256  # tokens with [CLS] and [SEP]; a longer text is cut into windows
    stride: PositiveInt = 128  # tokens from one window to the next
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 2e-5
    dropout: Fraction = 0.1
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    threshold_share: Fraction = 0.05  # of the training examples, kept to choose the decoding threshold on
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    checkpoint_steps: PositiveInt = 500
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Config":
        if self.stride > self.max_length - 2:
            raise ValueError(f"stride {self.stride} is more than max_length - 2, tokens between windows would be lost")
        return self
