"""The run folder: everything that prediction and a resumed training need. No TensorFlow here."""

import argparse
import filecmp
import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.config import config_differences, load_config, save_config
from common.encoder import EncoderSource, check_architecture
from common.files import make_folder, read_json, replaced, write_json
from common.tokenizer import Tokenizer
from common.workers import is_chief


@dataclass(frozen=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def architecture(self) -> Path:
        """What `common.encoder.build_encoder` needs."""
        return self.path / "encoder.json"

    @property
    def vocabulary(self) -> Path:
        return self.path / "vocab.txt"

    @property
    def schema(self) -> Path:
        return self.path / "schema.json"

    @property
    def weights(self) -> Path:
        """The weights of the epoch with the best dev score."""
        return self.path / "model.weights.h5"

    @property
    def checkpoints(self) -> Path:
        """Model, optimizer and progress, for resuming."""
        return self.path / "checkpoint"

    @property
    def logs(self) -> Path:
        """For TensorBoard."""
        return self.path / "logs"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def report(self) -> Path:
        """The dev file and what was predicted for it, to look at."""
        return self.path / "report"

    @property
    def metrics(self) -> Path:
        """Final scores and the threshold; written last, so a run that has it is finished."""
        return self.path / "metrics.json"


def find_run(args: argparse.Namespace, task: Path, config: Any, source: EncoderSource) -> RunFolder:
    """The folder for a run with this config: `--output`, else `runs/TASK/CONFIG`; none yet, or one that was started
    with them.

    args: of `common.cli.training_arguments`. task: the folder of the task. Raises UserError if the folder cannot be
    written, or belongs to a run with another config (names the keys) or of which a file has changed since.
    """
    run = RunFolder(Path(args.output or f"runs/{task.name}/{Path(args.config).stem}"))
    try:
        place = next(folder for folder in (run.path, *run.path.absolute().parents) if folder.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(f"{run.path}: cannot be written ({error.strerror})") from None
    if run.config.exists():
        started = load_config(type(config), run.config, run.path, check_files=False)
        if changed := config_differences(started, config):
            raise UserError(
                f"{run.path}: this run was started with other settings ({', '.join(changed)}); "
                "choose another --output or remove the folder"
            )
        _check_files(run, config, source)
    return run


def _check_files(run: RunFolder, config: Any, source: EncoderSource) -> None:
    """Raises UserError if a file that labels or ids of tokens depend on is another one than at the start."""
    schema_file = _schema_file(config)
    changed = {
        "the schema": schema_file and not _same(run.schema, schema_file),
        "the vocabulary": Tokenizer.from_vocab(run.vocabulary).tokens != source.tokenizer.tokens,
        "the encoder": read_json(run.architecture) != source.architecture,
    }
    if names := [name for name, is_changed in changed.items() if is_changed]:
        raise UserError(
            f"{run.path}: {' and '.join(names)} changed since this run was started; "
            "choose another --output or remove the folder"
        )


def _same(copy: Path, original: str) -> bool:
    return copy.is_file() and filecmp.cmp(copy, original, shallow=False)


def start_run(run: RunFolder, config: Any, source: EncoderSource) -> None:
    """Writes what describes a run, if it is a new one and this is its chief. Call it when all that can be wrong with
    the input is checked. Raises UserError if the folder cannot be made."""
    if run.config.exists() or not is_chief():
        return
    make_folder(run.path)
    source.tokenizer.save(run.vocabulary)
    write_json(run.architecture, source.architecture)
    if schema_file := _schema_file(config):
        with replaced(run.schema) as temporary:
            shutil.copyfile(schema_file, temporary)
    save_config(config, run.config)  # last: its presence means that the rest is there


def _schema_file(config: Any) -> str | None:
    """The file of the labels; not every task has one."""
    return getattr(config, "schema_file", None)


def print_finished(run: RunFolder) -> None:
    """The scores and the folder of a finished run, once if there are several workers."""
    if is_chief():
        print(run.metrics.read_text(encoding="utf-8"), end="")
        print(f"finished: {run.path}")


def load_run(path: str | Path, config_class: type) -> tuple[RunFolder, Any, EncoderSource]:
    """The folder, config and encoder (without weights) of a finished run.

    Raises UserError for a folder that is none, or whose training has not come to its end.
    """
    run = RunFolder(Path(path))
    if not os.path.isdir(run.path):
        raise UserError(f"{run.path}: no such run folder")
    for file in (run.config, run.architecture, run.vocabulary, run.weights, run.metrics):
        if not file.is_file():
            raise UserError(f"{run.path}: not a finished run: {file.name} is missing")
    config = load_config(config_class, run.config, run.path, check_files=False)
    tokenizer = Tokenizer.from_vocab(run.vocabulary, getattr(config.encoder, "word_level", False))
    architecture = read_json(run.architecture)
    check_architecture(architecture, tokenizer.vocab_size, run.architecture)
    return run, config, EncoderSource(str(run.path), architecture, tokenizer)


def read_threshold(run: RunFolder) -> float | None:
    """Above which training chose to decode; None for a head without one. Raises UserError."""
    metrics = read_json(run.metrics)
    threshold = metrics.get("threshold", math.nan) if isinstance(metrics, dict) else math.nan
    if threshold is not None and (type(threshold) not in (int, float) or not math.isfinite(threshold)):
        raise UserError(f"{run.metrics}: expected an object with a threshold")
    return threshold
