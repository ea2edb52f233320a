"""The keys of a config that only this task has. Those of every task are in common/config.py."""

from typing import Annotated

import pydantic

from common.config import PositiveInt, WindowedConfig, one_of, strict_config
from model import HEADS


@strict_config
class Config(WindowedConfig):
    head: Annotated[str, one_of(HEADS)] = "pair"
    max_length: PositiveInt = 384  # tokens of a window: question, part of the context, [CLS], two [SEP]
    stride: PositiveInt = 256  # tokens from one window to the next; windows overlap by at least max_answer_tokens
    max_question_length: PositiveInt = 48  # tokens; a longer question is cut
    max_answer_tokens: PositiveInt = 64  # the most tokens of an answer that can be predicted

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Config":
        if self.stride + self.max_answer_tokens > self.max_length - self.max_question_length - 3:
            raise ValueError(
                f"stride {self.stride} is more than max_length - max_question_length - 3 - max_answer_tokens, "
                "so answers at the edges of windows would be lost"
            )
        return self
