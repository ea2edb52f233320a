"""Typed configs: a JSON file, its parents and `--set key=value` become a frozen dataclass.

A task declares its keys with `@strict_config` and reads them with `load_config`. A mistake gives one line that names
the file and the key.
"""

import contextlib
import dataclasses
import difflib
import glob
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast, dataclass_transform, get_args, get_type_hints

import pydantic
import pydantic_core
from pydantic import Field, PositiveFloat

from common.cli import UserError
from common.files import read_json

T = TypeVar("T")
FORMAT = 2  # the format of run folders, stated in the config of each
DATA_FOLDER = Path(__file__).resolve().parent.parent / "data"

# Strict means that a string is not accepted for a number, nor a boolean for an integer. A float may be an integer.
STRICT = pydantic.ConfigDict(strict=True, extra="forbid", validate_default=True, allow_inf_nan=False)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field, Field))
def strict_config(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose values pydantic checks."""
    return cast("type[T]", pydantic.dataclasses.dataclass(cls, frozen=True, kw_only=True, config=STRICT))


class _Located(NamedTuple):
    """Marks a string whose meaning depends on the folder of the file that states it."""

    resolve: Callable[[str, Path], str]  # (value, that folder) -> absolute path
    is_data: bool  # whether it names data files, whose content identifies a run


def _file_path(value: str, folder: Path) -> str:
    if value.startswith("data:"):
        return os.path.normpath(DATA_FOLDER / value.removeprefix("data:"))
    return os.path.normpath(folder / os.path.expanduser(value))


def _encoder_path(value: str, folder: Path) -> str:
    """Return the absolute path of a folder, or the name of an encoder on the hub unchanged."""
    for place in (folder, Path.cwd()):
        path = _file_path(value, place)
        if value.startswith(("data:", ".", "/", "~")) or os.path.exists(path):
            return path
    return value


def _check_file(path: str, info: pydantic.ValidationInfo) -> str:
    if info.context and info.context["check_files"] and not os.path.isfile(path):
        raise ValueError(f"no such file: {path}")
    return path


def find_files(pattern: str) -> list[Path]:
    """Find the file of this name, the *.txt files in the folder of this name, or the files that match the pattern.

    They are sorted by name. Raises UserError if there are none.
    """
    path = Path(pattern)
    if os.path.isfile(path):  # `Path.is_file` raises an error if the name is too long
        return [path]
    found = path.glob("*.txt") if os.path.isdir(path) else map(Path, glob.glob(pattern))
    files = sorted(file for file in found if file.is_file())
    if not files:
        raise UserError(f"not a file, a folder with *.txt files or a pattern with a match: {pattern}")
    return files


def _check_files(pattern: str, info: pydantic.ValidationInfo) -> str:
    if info.context and info.context["check_files"]:
        try:
            find_files(pattern)
        except UserError as error:
            raise ValueError(str(error)) from None
    return pattern


InputFile = Annotated[str, _Located(_file_path, is_data=True), pydantic.AfterValidator(_check_file)]
InputFiles = Annotated[str, _Located(_file_path, is_data=True), pydantic.AfterValidator(_check_files)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]  # TensorFlow counts with 32 bits


@strict_config
class OptimizerConfig:
    """The optimizer, except for the learning rate, which is a key of the config itself."""

    name: Literal["adamw", "adax"] = "adamw"
    weight_decay: pydantic.NonNegativeFloat = 0.01
    warmup: Fraction = 0.1  # share of all steps
    schedule: Literal["constant", "linear", "cosine"] = "linear"  # after the warm-up
    clip_norm: PositiveFloat | None = 1.0  # largest norm of the gradient of all weights together; null: off
    clip: Literal["hard", "soft"] = "hard"  # see `AdamW` in common/optimizers.py
    average: Annotated[float, Field(gt=0, lt=1)] | None = None  # decay of the weights' moving average; null: off
    head_rate: PositiveFloat = 1.0  # factor of the learning rate of all weights outside the encoder
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0  # factor of the learning rate from a block to the one below
    rates: dict[str, PositiveFloat] = dataclasses.field(default_factory=dict)  # part of a weight's name -> factor


@strict_config
class EncoderSizes:
    """The sizes of a fresh encoder."""

    hidden_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    intermediate_size: PositiveInt | None = None  # null: 4 * hidden_size
    vocabulary: InputFile = str(DATA_FOLDER / "vocab.txt")
    word_level: bool = False  # whether words in the vocabulary are tokens, see `Tokenizer`
    same_token_attention: bool = False  # see `_attend_to_same_token` in common/encoder.py

    @pydantic.model_validator(mode="after")
    def _check(self) -> "EncoderSizes":
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self


# A folder, a `data:` folder, a name on the hub, or the sizes of a fresh encoder. Only pydantic needs the tags.
# Messages leave out tags, which they recognise by the angle bracket.
EncoderSpec = Annotated[
    Annotated[str, _Located(_encoder_path, is_data=False), pydantic.Tag("<name>")]
    | Annotated[EncoderSizes, pydantic.Tag("<sizes>")],
    pydantic.Discriminator(
        lambda value: {str: "<name>", dict: "<sizes>", EncoderSizes: "<sizes>"}.get(type(value)),
        custom_error_type="encoder_spec",
        custom_error_message="Input should be a folder, a name or an object of sizes",
    ),
]


@strict_config
class TrainingConfig:
    """The keys that every training has. A task adds its own in its config.py."""

    train_file: InputFile
    dev_file: InputFile
    encoder: EncoderSpec
    max_length: Annotated[int, Field(ge=3, lt=2**31)] = 256  # in tokens, with [CLS] and [SEP]
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 2e-5
    dropout: Fraction = 0.1
    gelu: Literal["erf", "tanh", "sigmoid"] | None = None  # null: the encoder's own form, erf if fresh
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    recompute: Annotated[int, Field(ge=0, lt=2**31)] = 0  # blocks recomputed at a time in the backward pass; 0: none
    accumulate: PositiveInt = 1  # a batch is computed in this many pieces, which needs less memory
    xla: bool = False  # compile the training step for each shape of a batch (for GPUs)
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    checkpoint_steps: PositiveInt = 500  # steps from one checkpoint to the next
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42

    @pydantic.model_validator(mode="after")
    def _check_accumulate(self) -> "TrainingConfig":
        if self.xla and self.accumulate > 1:
            raise ValueError("xla and accumulate cannot be combined: XLA cannot cut a batch into pieces")
        return self


@strict_config
class WindowedConfig(TrainingConfig):
    """The keys of a task that cuts texts of more than `max_length` tokens into windows."""

    stride: PositiveInt = 128  # tokens from the start of one window to the next

    @pydantic.model_validator(mode="after")
    def _check_stride(self) -> "WindowedConfig":
        if self.stride > self.max_length - 2:
            raise ValueError(f"stride {self.stride} is more than max_length - 2: tokens between windows would be lost")
        return self


def load_config(
    cls: type[T],
    name: str | Path,
    folder: str | Path,
    overrides: Iterable[str] = (),
    check_files: bool = True,
) -> T:
    """Read a config into `cls`.

    The "parent" of a config is a file whose values are the defaults, key by key. "about" is a comment. Paths are
    relative to the file that states them, and in `overrides` to the working directory. A leading `data:` stands for
    the data folder of the project.

    Args:
        cls: a class declared with `@strict_config`.
        name: a file, or the name of one in `folder`/configs, with or without .json.
        folder: the folder of the task.
        overrides: "key.key=value" each. A value that is not JSON is a plain string.
        check_files: whether the data files have to exist. Those of a finished run need not.

    Raises:
        UserError: one line with the file and the dotted key.
    """
    path = _find(Path(name), Path(folder))
    sources = [*_read_chain(cls, path, ()), *(_parse_override(cls, text) for text in overrides)]
    merged: dict[str, Any] = {}
    for where, values in sources:
        _check_json(where, values)
        merged = _merge(merged, values)
    context = {"check_files": check_files}
    try:  # strict pydantic builds dataclasses from the objects of JSON, but not from Python's dicts
        return pydantic.TypeAdapter(cls).validate_json(json.dumps(merged), context=context)
    except pydantic.ValidationError as error:
        raise UserError(_explain(cls, error, sources, path)) from None


def one_of(names: Iterable[str]) -> Any:
    """Return an annotation for a string that must be one of these names: `head: Annotated[str, one_of(HEADS)]`."""
    known = tuple(names)

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"should be {' or '.join(map(repr, known))}, not {_shown(value)}")
        return value

    return pydantic.AfterValidator(check)


def data_files(config: Any) -> dict[str, list[Path]]:
    """List the data files that a config names, by key."""
    hints = get_type_hints(type(config), include_extras=True)
    keys = [
        key for key, hint in hints.items() if any(isinstance(part, _Located) and part.is_data for part in _parts(hint))
    ]
    return {key: find_files(path) for key in keys if (path := getattr(config, key)) is not None}


def config_differences(first: Any, second: Any) -> list[str]:
    """List the dotted keys whose values differ between two configs. Paths and names of encoders do not count."""

    def without_places(config: Any) -> Any:
        return _placed(type(config), dataclasses.asdict(config), lambda located, path: "")

    return list(_differences(without_places(first), without_places(second), ()))


def _differences(first: Any, second: Any, location: tuple[str, ...]) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        for key in {**first, **second}:
            yield from _differences(first.get(key), second.get(key), (*location, key))
    elif first != second:
        yield ".".join(location)


def _find(name: Path, folder: Path) -> Path:
    for place in (name, folder / "configs" / name):
        for path in (place, Path(f"{place}.json")):
            if os.path.isfile(path):
                return path
    known = ", ".join(sorted(path.stem for path in (folder / "configs").glob("*.json")))
    raise UserError(f"{name}: no such config; {folder / 'configs'} has {known or 'none'}")


def _read_chain(cls: type, path: Path, children: tuple[Path, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Read the config and its parents: (file name, values with absolute paths), the furthest parent first."""
    values = read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected an object, got {_shown(values)}")
    for key in ("about", "parent"):
        if not isinstance(values.get(key, ""), str):
            raise UserError(f"{path}: {key}: should be a string, not {_shown(values[key])}")
    values.pop("about", None)
    if (found := values.pop("format", FORMAT)) != FORMAT:  # the config may come from a run folder
        raise UserError(f"{path}: belongs to a run folder of format {_shown(found)}, expected {FORMAT}")
    folder = path.absolute().parent
    seen = (*children, path.resolve())
    ancestors = []
    if "parent" in values:
        parent = Path(os.path.normpath(folder / values.pop("parent")))
        if not os.path.isfile(parent):
            raise UserError(f"{path}: parent: no such file: {parent}")
        if parent.resolve() in seen:
            raise UserError(f"{path}: parent: circular, {parent} is already a child of this file")
        ancestors = _read_chain(cls, parent, seen)
    return [*ancestors, (str(path), _resolved(cls, values, folder))]


def _parse_override(cls: type, text: str) -> tuple[str, dict[str, Any]]:
    key, equals, value = text.partition("=")
    if not equals or "" in key.split("."):
        raise UserError(f"--set {text}: expected key=value")
    values: Any = value
    with contextlib.suppress(ValueError, RecursionError):  # what is not JSON is a plain string
        values = json.loads(value)
    for part in reversed(key.split(".")):
        values = {part: values}
    return "--set", _resolved(cls, values, Path.cwd())


def _check_json(where: str, values: dict[str, Any]) -> None:
    """Raise UserError for JSON that Python accepts but pydantic does not: half a surrogate pair, deep nesting."""
    try:
        pydantic_core.from_json(json.dumps(values, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: {error.object[error.start]!r} is half a character") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {str(error).partition(' at line ')[0]}") from None


def _resolved(cls: type, values: Any, folder: Path) -> Any:
    """Make every path absolute."""
    return _placed(cls, values, lambda located, path: located.resolve(path, folder))


def _placed(hint: Any, value: Any, place: Callable[[_Located, str], str]) -> Any:
    """Replace every string that `hint`, the value's type, marks with `_Located` by `place(mark, string)`."""
    for part in _parts(hint):
        if isinstance(part, _Located) and isinstance(value, str):
            value = place(part, value)
        elif _is_config(part) and isinstance(value, dict):
            hints = get_type_hints(part, include_extras=True)
            value = {key: _placed(hints.get(key), item, place) for key, item in value.items()}
    return value


def _parts(hint: Any) -> list[Any]:
    """List the classes and marks in a type such as Annotated[str, mark] | None."""
    return [part for argument in get_args(hint) for part in _parts(argument)] or [hint]


def _is_config(part: Any) -> bool:
    return isinstance(part, type) and dataclasses.is_dataclass(part)


def _merge(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **values}
    for key in defaults.keys() & values.keys():
        if isinstance(defaults[key], dict) and isinstance(values[key], dict):
            merged[key] = _merge(defaults[key], values[key])
    return merged


def _explain(cls: type, error: pydantic.ValidationError, sources: list[tuple[str, dict[str, Any]]], path: Path) -> str:
    """Describe the first mistake in one line. An unknown key comes first, as it may be why another one is missing."""
    fault = min(error.errors(), key=lambda fault: fault["type"] != "unexpected_keyword_argument")
    location = [part for part in fault["loc"] if not str(part).startswith("<")]
    key = ".".join(map(str, location))
    where = next((name for name, values in reversed(sources) if key and _states(values, location)), str(path))
    at_key = f"{where}: {key}" if key else where
    match fault["type"]:
        case "unexpected_keyword_argument":
            close = difflib.get_close_matches(key, _known_keys(cls, ()), n=1, cutoff=0.75)
            return f"{where}: unknown key {key}" + (f" (did you mean {close[0]}?)" if close else "")
        case "missing":
            return f"{where}: missing key {key}"
        case "value_error":
            return f"{at_key}: {fault['ctx']['error']}"
        case "dataclass_type":
            return f"{at_key}: should be an object, not {_shown(fault['input'])}"
    return f"{at_key}: {fault['msg'].replace('Input should', 'should')}, not {_shown(fault['input'])}"


def _states(values: Any, location: list[str | int]) -> bool:
    """Whether a source of the config states the value at this location, or a list that contains the value."""
    for key in location:
        if isinstance(values, list):
            return True
        if not (isinstance(values, dict) and key in values):
            return False
        values = values[key]
    return True


def _known_keys(cls: type, prefix: tuple[str, ...]) -> Iterator[str]:
    for key, hint in get_type_hints(cls, include_extras=True).items():
        yield ".".join((*prefix, key))
        for part in filter(_is_config, _parts(hint)):
            yield from _known_keys(part, (*prefix, key))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
