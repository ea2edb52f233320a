"""The report of predictions: one self-contained page, report.html, and its charts as PNG. Knows no task.

What stands in the data cannot run: it is JSON in an element that it cannot end, the page's script writes it as text
only, and the page's Content-Security-Policy lets nothing else run and nothing be loaded.
"""

import base64
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from common.files import atomic_write, make_folder
from common.spans import Span

PAGE = Path(__file__).with_name("report.html")
T = TypeVar("T")


class Part(NamedTuple):
    """A string of a fact: its name in it, and where it stands in the text, in characters."""

    name: str
    string: str
    spans: list[Span]


class Fact(NamedTuple):
    """What gold, the predictions or both say of a text."""

    kind: str
    label: str
    parts: list[Part]
    note: str = ""


class Item(NamedTuple):
    text: str
    facts: list[Fact]
    heading: str = ""
    note: str = ""


class Table(NamedTuple):
    """Scores of parts of the data, `best` at most; a row has a name, a score for each column, and a count. The chart
    is NAME.png, with the column `main` as bars.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple]
    main: str = "f1"
    best: float = 1.0


@dataclass(frozen=True)
class Report:
    """scores: as evaluate.py prints them. kinds: of facts, each with the state in which it is shown: right, partial,
    wrong, missed, or gold (not an error). tables: the scores by label first. history: the epochs of a training.
    """

    title: str
    scores: Mapping[str, Any]
    kinds: Mapping[str, str]
    tables: Sequence[Table]
    items: Sequence[Item]
    history: Sequence[dict[str, Any]] = field(default=())


def write(report: Report, folder: str | Path) -> None:
    """Writes report.html and the charts. Raises UserError if the folder cannot be made or written to."""
    from common.plots import plot_curves, plot_scores  # matplotlib takes longer to import than most files to score

    folder = Path(folder)
    make_folder(folder)
    with atomic_write(folder / "report.html") as file:
        file.write(render(report))
    if report.history:
        plot_curves(report.history, folder / "curves.png")
    for table in report.tables:
        plot_scores(table.title, table.columns, table.rows, table.main, table.best, folder / f"{table.name}.png")


def render(report: Report) -> str:
    """The page."""
    template = PAGE.read_text(encoding="utf-8")
    script = template.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tables = [table._asdict() for table in report.tables]
    history = [_finite(row) for row in report.history]
    data = vars(report) | {"tables": tables, "history": history}
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # of JSON they are in strings only
        content = content.replace(character, f"\\u{ord(character):04x}")
    return template.replace("{{digest}}", digest).replace("{{data}}", content)


def table_of_parts(
    name: str,
    title: str,
    columns: tuple[str, ...],
    parts: Mapping[str, list[T]],
    score: Callable[[list[T]], dict[str, float]],
    **more: Any,
) -> Table:
    """Score parts of the data on their own. `columns` are the names of the scores; `more` goes to the table."""
    rows = [(part, *score(records).values(), len(records)) for part, records in parts.items()]
    return Table(name, title, columns, rows, **more)


def by_size(records: Iterable[T], size: Callable[[T], int], bounds: Sequence[int]) -> dict[str, list[T]]:
    """Records by size: below the first bound, from each bound to the next, and from the last on; without those of
    which there are none.
    """
    first = [0, *bounds]
    names = [str(a) if b == a + 1 else f"{a}-{b - 1}" for a, b in zip(first, bounds, strict=False)]
    names.append(f"{bounds[-1]} and more")
    parts = defaultdict(list)
    for record in records:
        parts[sum(size(record) >= bound for bound in bounds)].append(record)
    return {names[i]: parts[i] for i in sorted(parts)}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """A diverged training has losses that JSON has not."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}
