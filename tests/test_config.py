import dataclasses
import json
from pathlib import Path

import pytest
from pydantic import PositiveFloat, PositiveInt

from common.cli import UserError
from common.config import (
    DATA_FOLDER,
    EncoderSizes,
    EncoderSpec,
    InputFile,
    InputFiles,
    OptimizerConfig,
    config_differences,
    find_files,
    load_config,
    strict_config,
)
from common.files import write_json

SIZES = {"hidden_size": 8, "layers": 1, "heads": 2, "vocabulary": "../vocab.txt"}


@strict_config
class Config:
    train_file: InputFile
    dev_file: InputFile | None = None
    encoder: EncoderSpec
    note: str = ""
    epochs: PositiveInt = 10
    learning_rate: PositiveFloat = 5e-4
    head: str = "pair"
    windows: tuple[int, ...] = (128, 256)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Make a task folder with a base config and two descendants, and change to another folder."""
    (tmp_path / "configs" / "far").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("vocab.txt", "configs/train.json", "configs/far/dev.json", "elsewhere/other.json"):
        (tmp_path / name).touch()
    write(tmp_path, "base", train_file="train.json", encoder=SIZES, optimizer={"warmup": 0.2, "clip": "soft"})
    write(tmp_path, "far/middle", parent="../base.json", about="a remark", dev_file="dev.json")
    write(tmp_path, "far/child", parent="middle.json", learning_rate=1, optimizer={"name": "adax"})
    return tmp_path


def write(task, name, **values):
    (task / "configs" / f"{name}.json").write_text(json.dumps(values))


def error(task, *overrides, name="base"):
    with pytest.raises(UserError) as caught:
        load_config(Config, name, task, overrides)
    return str(caught.value).replace(f"{task}/", "")


def test_parents_hold_defaults_and_paths_are_relative_to_the_file_that_states_them(task):
    assert load_config(Config, "far/child", task) == Config(
        train_file=str(task / "configs/train.json"),
        dev_file=str(task / "configs/far/dev.json"),
        encoder=EncoderSizes(hidden_size=8, layers=1, heads=2, vocabulary=str(task / "vocab.txt")),
        learning_rate=1.0,
        optimizer=OptimizerConfig(name="adax", warmup=0.2, clip="soft"),
    )


def test_where_a_config_is_looked_for(task):
    expected = load_config(Config, task / "configs/base.json", "/nowhere")
    for name in ("base", "base.json", "../configs/base"):
        assert load_config(Config, name, task) == expected
    Path("base.json").write_text(json.dumps({"train_file": "other.json", "encoder": "a/b"}))
    assert load_config(Config, "base", task).train_file == str(task / "elsewhere/other.json")
    Path("far").mkdir()
    assert error(task, name="far") == "far: no such config; configs has base, train"


def test_overrides(task):
    overrides = ["epochs=3", "optimizer.average=0.999", "train_file=other.json", "note=a b", "windows=[7]"]
    loaded = load_config(Config, "base", task, overrides)
    assert (loaded.epochs, loaded.note, loaded.windows) == (3, "a b", (7,))
    assert loaded.optimizer == OptimizerConfig(warmup=0.2, clip="soft", average=0.999)
    assert loaded.train_file == str(task / "elsewhere/other.json")
    assert load_config(Config, "base", task, ["epochs=3", "epochs=4"]).epochs == 4
    assert load_config(Config, "base", task, ["note=a=b"]).note == "a=b"


def test_only_marked_keys_are_paths(task):
    loaded = load_config(Config, "base", task, ["note=data:x", "head=./pair"])
    assert (loaded.note, loaded.head) == ("data:x", "./pair")


@pytest.mark.parametrize(
    ("spec", "resolved"),
    [
        ("hfl/chinese-roberta-wwm-ext", "hfl/chinese-roberta-wwm-ext"),
        ("data:encoder", str(DATA_FOLDER / "encoder")),
        ("./missing", "TASK/configs/missing"),
        ("/missing", "/missing"),
        ("far", "TASK/configs/far"),  # exists next to the config
        ("nearby", "TASK/elsewhere/nearby"),  # exists in the working directory
    ],
)
def test_encoder_is_a_folder_or_a_name(task, spec, resolved):
    Path("nearby").mkdir()
    write(task, "named", train_file="train.json", encoder=spec)
    assert load_config(Config, "named", task).encoder == resolved.replace("TASK", str(task))


def test_data_prefix_and_absolute_paths(task):
    loaded = load_config(Config, "base", task, ["train_file=data:x/y.json"], check_files=False)
    assert loaded.train_file == str(DATA_FOLDER / "x" / "y.json")
    assert Path(__file__).resolve().parent.parent / "data" == DATA_FOLDER
    absolute = str(task / "vocab.txt")
    assert load_config(Config, "base", task, [f"train_file={absolute}"]).train_file == absolute


def test_saved_config_reads_back_equal(task):
    for name, overrides in (("far/child", []), ("base", ["encoder=hfl/name", "optimizer.clip_norm=null"])):
        settings = load_config(Config, name, task, overrides)
        write_json(task / "run.json", dataclasses.asdict(settings))
        assert load_config(Config, task / "run.json", task) == settings
        assert config_differences(settings, load_config(Config, task / "run.json", task)) == []
    (task / "configs/train.json").unlink()  # a finished run does not need its data
    assert load_config(Config, task / "run.json", task, check_files=False) == settings


def test_differences_name_dotted_keys(task):
    first = load_config(Config, "base", task)
    second = load_config(Config, "base", task, ["epochs=3", "optimizer.warmup=0", "encoder=a/b"])
    assert config_differences(first, second) == ["encoder", "epochs", "optimizer.warmup"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epocs=3", "unknown key epocs (did you mean epochs?)"),
        ("optimizer.warmpu=0", "unknown key optimizer.warmpu (did you mean optimizer.warmup?)"),
        ("encoder.colour=1", "unknown key encoder.colour"),
        ('epochs="3"', 'epochs: should be a valid integer, not "3"'),
        ("epochs=true", "epochs: should be a valid integer, not true"),
        ("epochs=2.5", "epochs: should be a valid integer, not 2.5"),
        ("epochs=0", "epochs: should be greater than 0, not 0"),
        ('learning_rate="1"', 'learning_rate: should be a valid number, not "1"'),
        ("learning_rate=NaN", "learning_rate: should be a finite number, not NaN"),
        ("note=3", "note: should be a valid string, not 3"),
        ("windows.0=3", 'windows: should be a valid array, not {"0": 3}'),
        ('windows=[1, "a"]', 'windows.1: should be a valid integer, not "a"'),
        ("optimizer.name=sgd", "optimizer.name: should be 'adamw' or 'adax', not \"sgd\""),
        ("optimizer.warmup=1", "optimizer.warmup: should be less than 1, not 1"),
        ("optimizer=adax", 'optimizer: should be an object, not "adax"'),
        ("encoder=3", "encoder: should be a folder, a name or an object of sizes, not 3"),
        ("encoder.heads=3", "encoder: hidden_size 8 is not a multiple of heads 3"),
        ("train_file=gone.json", "train_file: no such file: elsewhere/gone.json"),
        ("encoder.vocabulary=gone.txt", "encoder.vocabulary: no such file: elsewhere/gone.txt"),
    ],
)
def test_wrong_values_are_one_line_that_names_the_key(task, override, message):
    assert error(task, override) == f"--set: {message}"


@pytest.mark.parametrize("override", ["epochs", "=3", "optimizer..warmup=3", ""])
def test_overrides_that_are_none(task, override):
    assert error(task, override) == f"--set {override}: expected key=value"


def test_mistakes_name_the_file_that_makes_them(task):
    write(task, "base", train_file="train.json", encoder=SIZES, epoch=3)
    assert error(task, name="far/child") == "configs/base.json: unknown key epoch (did you mean epochs?)"
    write(task, "base", train_file="train.json")
    assert error(task, name="far/child") == "configs/far/child.json: missing key encoder"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n"epochs": 3\n"a": 1}', ", line 3: not JSON"),
        (b'{"epochs":\n"\xff"}', ", line 2: not UTF-8"),
        (b"[1]", ": expected an object, got [1]"),
        (b"", ": empty file"),
        (b'{"about": 3}', ": about: should be a string, not 3"),
        (b'{"parent": 3}', ": parent: should be a string, not 3"),
        (b'{"parent": "gone.json"}', ": parent: no such file: configs/gone.json"),
        (b'{"parent": "bad.json"}', ": parent: circular"),
    ],
)
def test_files_that_are_no_config(task, content, message):
    (task / "configs" / "bad.json").write_bytes(content)
    assert error(task, name="bad").startswith(f"configs/bad.json{message}")


def test_circle_of_two(task):
    write(task, "one", parent="two.json")
    write(task, "two", parent="one.json")
    assert error(task, name="one").startswith("configs/two.json: parent: circular")


@strict_config
class Texts:
    train_file: InputFiles


def test_files_by_name_folder_and_pattern(task):
    for name in ("a.txt", "b.txt", "c.md", "d.txt/e.txt"):
        (task / "configs" / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (task / "configs" / "texts" / name).touch()
    for pattern, names in {"a.txt": "a", "": "ab", "[bc].*": "bc", "d.txt": "e", "*/*.txt": "e"}.items():
        write(task, "texts", train_file=f"texts/{pattern}")
        files = find_files(load_config(Texts, "texts", task).train_file)
        assert [file.stem for file in files] == list(names)
    for pattern in ("none.txt", "far", "x" * 300, "base.json/a", "none*"):
        with pytest.raises(UserError) as caught:
            find_files(str(task / "configs" / pattern))
        assert str(caught.value).startswith("not a file, a folder with *.txt files or a pattern with a match: ")
        assert str(caught.value).endswith(f" {task}/configs/{pattern}")
    write(task, "texts", train_file="texts/*.json")
    with pytest.raises(UserError, match=r"texts.json: train_file: not a file, a folder with \*.txt files or"):
        load_config(Texts, "texts", task)


def test_configs_are_frozen(task):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config(Config, "base", task).epochs = 3  # type: ignore[misc]  # that is what is refused
