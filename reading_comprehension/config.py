"""The keys of a config beside those of every task, which are in common/config.py."""

from typing import Annotated

import pydantic

from common.config import PositiveInt, WindowedConfig, one_of, strict_config
from model import HEADS


@strict_config
class Config(WindowedConfig):
    head: Annotated[str, one_of(HEADS)] = "pair"
    max_length: PositiveInt = 384  # tokens of question and context with [CLS] and two [SEP]
    stride: PositiveInt = 256  # tokens from one window to the next; they overlap by max_answer_tokens or more
    max_question_length: PositiveInt = 48  # tokens; the rest of a longer question is not read
    max_answer_tokens: PositiveInt = 64

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Config":
        if self.stride + self.max_answer_tokens > self.max_length - self.max_question_length - 3:
            raise ValueError(
                f"stride {self.stride} is more than max_length - max_question_length - 3 - max_answer_tokens, "
                "answers at the edges of windows would be lost"
            )
        return self
