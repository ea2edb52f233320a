"""docs/own_task.md: its commands make examples/named_entities/ out of event extraction, and it shows that code.

    python tests/test_own_task.py

writes the code and the differences into the page anew, after a change to one of the two folders.
"""

import difflib
import re
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "own_task.md"
ORIGINAL, EXAMPLE = REPOSITORY / "event_extraction", REPOSITORY / "examples" / "named_entities"


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


def with_code(page):
    """The page with each file that it names before a block, and each difference, as they are now."""

    def difference(match):
        name = match[1]
        before, after = ((folder / name).read_text(encoding="utf-8") for folder in (ORIGINAL, EXAMPLE))
        lines = (text.splitlines(keepends=True) for text in (before, after))
        return "".join(["```diff\n", *difflib.unified_diff(*lines, f"a/{name}", f"b/{name}", n=1), "```"])

    def file(match):
        return f"{match[1]}{(EXAMPLE / match[2]).read_text(encoding='utf-8')}```"

    page = re.sub(r"```diff\n--- a/(\S+)\n.*?```", difference, page, flags=re.DOTALL)
    named = r"(<summary><code>(\S+)</code></summary>\n\n```\w+\n).*?```"
    return re.sub(named, file, page, flags=re.DOTALL)


def test_its_commands_give_the_example(tmp_path):
    for folder in (PAGE.parent, ORIGINAL, REPOSITORY / "examples"):
        shutil.copytree(folder, tmp_path / folder.name)
    for command in re.findall("^(?:cp|rm|git) .*my_entities.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    ours, theirs = files(tmp_path / "my_entities"), files(EXAMPLE)
    assert ours.keys() == theirs.keys()
    for name, content in theirs.items():
        assert ours[name] == content, name


def test_it_shows_the_code_as_it_is():
    page = PAGE.read_text(encoding="utf-8")
    assert with_code(page) == page, "see the top of this file"
    assert page.count("</summary>") >= 9
    assert page.count("```diff") == 2


if __name__ == "__main__":
    PAGE.write_text(with_code(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
