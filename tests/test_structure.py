"""Tests of what a reader may rely on: short functions and files, thin commands, imports that run one way."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = [
    *(REPOSITORY / name for name in ("relation_extraction", "event_extraction", "reading_comprehension")),
    *(path.parent for pattern in ("extras/*/config.py", "examples/*/config.py") for path in REPOSITORY.glob(pattern)),
    REPOSITORY / "extras" / "unsupervised_parsing",
]
TABLES = {"bad_configs"}  # functions that are a table of data
FILES = [path for path in REPOSITORY.rglob("*.py") if not {".venv", "runs"} & set(path.relative_to(REPOSITORY).parts)]


def lines(node):
    return node.end_lineno - node.lineno + 1


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def imports(path):
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_functions_are_short(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 400
    for function in functions(path):
        assert lines(function) <= 50 or function.name in TABLES, function.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_no_command_imports_a_command(folder):
    scripts = [path for path in folder.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    for path in scripts:
        assert not {script.stem for script in scripts} & set(imports(path)), path.name


@pytest.mark.parametrize("folder", FOLDERS[:-1], ids=lambda path: path.name)
def test_the_training_is_in_the_open(folder):
    (train,) = (function for function in functions(folder / "train.py") if function.name == "train")
    assert lines(train) <= 40
    body = ast.unparse(train)
    assert "model.compile(" in body
    assert "model.fit(" in body


def test_trainings_and_losses_know_of_no_workers():
    names = ("train", "pair", "pointer", "crf", "joint", "softmax", "model")
    paths = [path for folder in FOLDERS for path in folder.glob("*.py") if path.stem in names]
    for path in (*paths, *(REPOSITORY / "common" / f"{name}.py" for name in ("losses", "crf", "heads"))):
        text = path.read_text(encoding="utf-8").lower()
        assert not any(word in text for word in ("worker", "replica", "chief")), path.name


def test_common_knows_no_task():
    siblings = {path.stem for folder in FOLDERS for path in folder.glob("*.py")}
    for path in (REPOSITORY / "common").glob("*.py"):
        assert not siblings & set(imports(path)), path.name
