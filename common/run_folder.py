"""The run folder, which holds a trained model and the state of its training. No TensorFlow here."""

import argparse
import dataclasses
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from common.cli import UserError
from common.config import FORMAT, TrainingConfig, config_differences, data_files, load_config
from common.devices import place_to_work
from common.encoder_source import EncoderSource
from common.files import make_folder, read_json, replaced, write_json
from common.published import check_architecture
from common.thresholds import Thresholds
from common.tokenizer import Tokenizer

C = TypeVar("C", bound=TrainingConfig)


@dataclass(frozen=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def inputs(self) -> Path:
        """Digests of what the run was started with: the data files, the vocabulary and the encoder."""
        return self.path / "inputs.json"

    @property
    def architecture(self) -> Path:
        """The architecture of the encoder, for `build_encoder`, where it came from, and how its tokenizer cuts."""
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
        """The logs for TensorBoard."""
        return self.path / "logs"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def report(self) -> Path:
        """The folder with the report of the predictions for the dev file."""
        return self.path / "report"

    @property
    def metrics(self) -> Path:
        """The final scores and the thresholds. It is written last, so a run that has it is finished."""
        return self.path / "metrics.json"


def find_run(args: argparse.Namespace, task: Path, config: TrainingConfig, source: EncoderSource) -> RunFolder:
    """Find the folder for a run with this config: `--output`, or else `runs/FOLDER/CONFIG`.

    The folder may not exist or not hold a run yet. If it holds one, that run was started with the same config and the
    same files, wherever they are now.

    Args:
        args: what `common.cli.training_arguments` returned.
        task: the folder of the task.
        config: the config of the run.
        source: what the `encoder` of the config stands for.

    Raises:
        UserError: `TF_CONFIG` is wrong, or the folder cannot be written, has another format, or holds a run with
            another config or with other files. The message names the keys or the files.
    """
    path = place_to_work(Path(args.output or f"runs/{task.name}/{Path(args.config).stem}"))
    folder = RunFolder(path)
    try:
        place = next(above for above in (path, *path.absolute().parents) if above.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    if folder.config.exists():
        way_out = "choose another --output or remove the folder"
        if changed := config_differences(_load_config(folder, type(config)), config):
            raise UserError(f"{path}: this run was started with another config ({', '.join(changed)}); {way_out}")
        before, now = read_json(folder.inputs), _digests(config, source)
        if changed := [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]:
            raise UserError(f"{path}: {' and '.join(changed)} changed since this run was started; {way_out}")
    return folder


def start_run(folder: RunFolder, config: TrainingConfig, source: EncoderSource) -> None:
    """Write the files that describe a run, if it is a new one. Raises UserError if the folder cannot be made.

    Call this when all input has been checked, so that a user's mistake leaves no folder behind.
    """
    if folder.config.exists():
        return
    make_folder(folder.path)
    source.tokenizer.save(folder.vocabulary)
    tokenizer = {"lower_case": source.tokenizer.lower_case, "word_level": source.tokenizer.word_level}
    write_json(folder.architecture, source.architecture | {"source": source.name} | tokenizer)
    write_json(folder.inputs, _digests(config, source))
    if schema_file := getattr(config, "schema_file", None):  # not every task has one
        with replaced(folder.schema) as temporary:
            shutil.copyfile(schema_file, temporary)
    # The config is written last. So if it is there, the rest is there as well.
    values = dataclasses.asdict(
        cast(Any, config)
    )  # the cast: mypy does not know that pydantic's dataclasses are dataclasses
    write_json(folder.config, {"format": FORMAT} | values)


def _digests(config: TrainingConfig, source: EncoderSource) -> dict[str, str]:
    """Compute a digest of each thing that a run is started with, by the name that messages use for it."""
    description = json.dumps([source.architecture, source.tokenizer.word_level, source.tokenizer.lower_case]).encode()
    vocabulary = "\n".join(source.tokenizer.tokens).encode("utf-8", "surrogatepass")
    return {
        **{key: _digest(files) for key, files in data_files(config).items()},
        "the vocabulary": hashlib.sha256(vocabulary).hexdigest(),
        "the encoder": hashlib.sha256(description + _digest(source.files).encode()).hexdigest(),
    }


def _digest(files: Iterable[Path]) -> str:
    """Compute one digest of the contents of files. Their names do not count."""
    of_files = []
    for path in files:
        with path.open("rb") as file:
            of_files.append(hashlib.file_digest(file, "sha256").hexdigest())
    return of_files[0] if len(of_files) == 1 else hashlib.sha256("".join(of_files).encode()).hexdigest()


def print_finished(folder: RunFolder) -> None:
    """Print the scores and the folder of a finished run."""
    print(folder.metrics.read_text(encoding="utf-8"), end="")
    print(f"finished: {folder.path}")


def load_run(path: str | Path, config_class: type[C]) -> tuple[RunFolder, C, EncoderSource]:
    """Return the folder, config and encoder (without weights) of a finished run.

    Raises UserError if the folder does not exist, has another format or holds no finished run, or if a file that is
    read here is damaged.
    """
    folder = RunFolder(Path(path))
    if not os.path.isdir(folder.path):
        raise UserError(f"{folder.path}: no such run folder")
    for file in (folder.config, folder.architecture, folder.vocabulary, folder.weights, folder.metrics):
        if not file.is_file():
            raise UserError(f"{folder.path}: not a finished run: {file.name} is missing")
    config = _load_config(folder, config_class)
    architecture = read_json(folder.architecture)
    check_architecture(architecture, folder.architecture)
    architecture.pop("source", None)
    word_level = architecture.pop("word_level", getattr(config.encoder, "word_level", False))
    tokenizer = Tokenizer.from_vocab(folder.vocabulary, word_level, architecture.pop("lower_case", True))
    if architecture["vocab_size"] != tokenizer.vocab_size:
        raise UserError(
            f"{folder.architecture}: vocab_size is {architecture['vocab_size']!r}, "
            f"the vocabulary has {tokenizer.vocab_size}"
        )
    return folder, config, EncoderSource(str(folder.path), architecture, tokenizer)


def _load_config(folder: RunFolder, config_class: type[C]) -> C:
    """Read the config of a run, whose data may be gone. Raises UserError if the run is of another format."""
    values = read_json(folder.config)
    found = values.get("format", 1) if isinstance(values, dict) else FORMAT
    if found != FORMAT:
        raise UserError(
            f"{folder.path}: a run folder of format {found}, expected {FORMAT}: "
            "train again, or use the version of the project that wrote it"
        )
    return load_config(config_class, folder.config, folder.path, check_files=False)


def read_thresholds(folder: RunFolder, defaults: Thresholds) -> Thresholds:
    """Read the thresholds that training chose. Raises UserError unless metrics.json has those that `defaults` names."""
    metrics = read_json(folder.metrics)
    thresholds = metrics.get("thresholds") if isinstance(metrics, dict) else None
    if (
        not isinstance(thresholds, dict)
        or thresholds.keys() != defaults.keys()
        or not all(map(_is_finite, thresholds.values()))
    ):
        wanted = ", ".join(f'"{name}": NUMBER' for name in defaults)
        raise UserError(f'{folder.metrics}: expected an object with "thresholds": {{{wanted}}}')
    return thresholds


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
