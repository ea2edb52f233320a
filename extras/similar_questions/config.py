"""The keys of a config. Those that every training has are in common/config.py."""

from typing import Annotated

from pydantic import Field

from common.config import InputFile, PositiveInt, TrainingConfig, strict_config


@strict_config
class Config(TrainingConfig):
    train_file: InputFile  # groups or pairs of similar questions, see records.py
    # the same; null: a twentieth of the families is kept out for dev
    dev_file: InputFile | None = None  # type: ignore[assignment]  # other trainings require it
    max_length: Annotated[int, Field(ge=5, lt=2**31)] = 128  # tokens of two questions with [CLS] and two [SEP]
    batch_size: PositiveInt = 32  # pairs; each is read in both directions

    @property
    def question_length(self) -> int:
        """The most tokens of a question that are read, and the most that are written."""
        return (self.max_length - 3) // 2
