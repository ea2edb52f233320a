"""Checks whether a leaderboard would take a prediction file. This is what the checks of all tasks share.

Each kind of problem is one line on standard error, with the first place that has it and the number of such places.
"""

import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from common.cli import UserError, printable
from common.files import open_zip, read_submission_lines

KINDS_SHOWN = 10
Say = Callable[[str], None]


class Examine(Protocol):
    """Calls `problem` or `warning` with what is wrong with one parsed line, and returns the number of its items."""

    def __call__(self, record: Any, problem: Say, warning: Say, /) -> int: ...


class Findings:
    """Messages, each with its first place and the number of its places."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, message: str, place: str) -> None:
        """Add a message about a place."""
        self.first.setdefault(message, place)
        self.places[message] += 1

    def show(self, label: str) -> None:
        """Print the most frequent messages on standard error, each with `label` in front."""
        for message, count in self.places.most_common(KINDS_SHOWN):
            times = f" ({count} times)" if count > 1 else ""
            print(printable(f"{label}: {self.first[message]}: {message}{times}"), file=sys.stderr)
        if len(self.first) > KINDS_SHOWN:
            print(f"{label}: and {len(self.first) - KINDS_SHOWN} more kinds", file=sys.stderr)


def check_submission(
    inputs: Iterable[dict[str, Any]],
    input_path: str,
    prediction_path: str,
    key: str,
    examine: Examine,
) -> tuple[int, int]:
    """Compare a file of JSON lines, plain or zipped, with the records it is for.

    Args:
        inputs: the records that were to be predicted.
        input_path: their file, for messages.
        prediction_path: the file to check.
        key: what names a record, "text" or "id". Each of several inputs with the same name needs its own prediction.
        examine: checks one line of the file.

    Returns:
        The number of records in the file, and the number of items in them.

    Raises:
        UserError: the file has a problem or cannot be read to its end, or the input itself is wrong.
    """
    lines: dict[str, list[int]] = {}
    for number, record in enumerate(inputs, start=1):
        lines.setdefault(record[key], []).append(number)
    predicted: Counter[str] = Counter()
    records = items = 0
    with findings(prediction_path) as (problems, warnings):
        for number, record in read_submission_lines(prediction_path):
            place = f"{prediction_path}, line {number}"
            items += examine(record, partial(problems.add, place=place), partial(warnings.add, place=place))
            records += 1
            name = record.get(key) if isinstance(record, dict) else None
            if type(name) in (str, int):  # readers turn an id that is a whole number into a string
                name = str(name)
                predicted[name] += 1
                if name not in lines:
                    problems.add(f"the {key} is not in {input_path}", place)
                elif predicted[name] > len(lines[name]):
                    problems.add(f"the {key} occurs more often than in {input_path}", place)
        for name, numbers in lines.items():
            for number in numbers[predicted[name] :]:
                problems.add(f"the {key} has no prediction", f"{input_path}, line {number}")
    return records, items


@contextmanager
def findings(path: str) -> Iterator[tuple[Findings, Findings]]:
    """Give problems and warnings to add to, and show them at the end. Faults of the file's name are already in them.

    They are shown even if a broken line ends the reading. Raises UserError at the end if there is a problem.
    """
    problems, warnings = Findings(), Findings()
    try:
        check_name(Path(path), problems, warnings)
        yield problems, warnings
    finally:
        problems.show("problem")
        warnings.show("warning")
    if problems.first:
        raise UserError(f"{path}: not what the leaderboard takes, see the lines above")


def check_name(path: Path, problems: Findings, warnings: Findings) -> None:
    """Add what is wrong with a file's name: the leaderboards take a zip of one JSON file that is named like the zip."""
    if not zipfile.is_zipfile(path):
        warnings.add("the leaderboard takes a zip of this file", str(path))
        return
    with open_zip(path) as archive:
        members = archive.namelist()
    expected = path.stem.removesuffix(".json") + ".json"
    if members != [expected]:
        held = ", ".join(map(repr, members)) or "nothing"
        problems.add(f"expected one file named {expected!r} in the zip, found {held}", str(path))
