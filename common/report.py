"""The report of predictions: one self-contained page, report.html, and its charts as PNG. It knows no task.

No code in the data can run. The data is JSON in an element that it cannot close. The page's script inserts it as text
only. The page's Content-Security-Policy allows no other script and loads nothing.
"""

import base64
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from common.files import atomic_write, make_folder
from common.spans import Span

PAGE = Path(__file__).with_name("report.html")
T = TypeVar("T")


class Score(Protocol[T]):
    """Scores records by a task's metric and returns name -> score, in the order of the table's columns."""

    def __call__(self, records: list[T], /) -> dict[str, float]: ...


class Part(NamedTuple):
    """One string of a fact, with its name in the fact and its places in the text."""

    name: str
    string: str
    spans: list[Span]


class Fact(NamedTuple):
    """What gold, the predictions or both say of a text."""

    kind: str  # a key of `Report.kinds`
    label: str
    parts: list[Part]
    note: str = ""


class Item(NamedTuple):
    """A text with the facts about it. The page shows the heading and the note above it."""

    text: str
    facts: list[Fact]
    heading: str = ""
    note: str = ""


class Table(NamedTuple):
    """The scores of parts of the data."""

    name: str  # its chart is NAME.png
    title: str
    columns: tuple[str, ...]  # the names of the scores
    rows: list[tuple]  # each has a name, a score for each column, and a count
    main: str = "f1"  # the column that the chart shows as bars
    best: float = 1.0  # the highest score that is possible


@dataclass(frozen=True)
class Report:
    """Everything that a report shows."""

    title: str
    scores: Mapping[str, Any]  # as evaluate.py prints them
    kinds: Mapping[str, str]  # kind of a fact -> right, partial, wrong, missed, or gold (only shown, no error)
    tables: Sequence[Table]  # the first has the scores by label
    items: Sequence[Item]
    history: Sequence[dict[str, Any]] = field(default=())  # the epochs of a training
    made_with: str = ""  # what the predictions depend on beside the weights


def write(report: Report, folder: str | Path) -> None:
    """Write report.html and the charts. Raises UserError if the folder cannot be made or written to."""
    from common.plots import plot_curves, plot_scores  # importing matplotlib takes longer than scoring most files

    folder = Path(folder)
    make_folder(folder)
    with atomic_write(folder / "report.html") as file:
        file.write(render(report))
    if report.history:
        plot_curves(report.history, folder / "curves.png")
    for table in report.tables:
        plot_scores(table.title, table.columns, table.rows, table.main, table.best, folder / f"{table.name}.png")


def render(report: Report) -> str:
    """Return the page as HTML."""
    template = PAGE.read_text(encoding="utf-8")
    script = template.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tables = [table._asdict() for table in report.tables]
    history = [_finite(row) for row in report.history]
    data = vars(report) | {"tables": tables, "history": history}
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # in JSON they occur in strings only
        content = content.replace(character, f"\\u{ord(character):04x}")
    return template.replace("{{digest}}", digest).replace("{{data}}", content)


def table_of_parts(
    name: str,
    title: str,
    columns: tuple[str, ...],
    parts: Mapping[str, list[T]],
    score: Score[T],
    **more: Any,
) -> Table:
    """Make a table by scoring each part of the data on its own.

    Args:
        name: the table's name. Its chart is NAME.png.
        title: shown above the table and its chart.
        columns: the names of the scores.
        parts: the records of each part, by its name.
        score: scores the records of a part.
        more: further fields of `Table`.
    """
    rows = [(part, *score(records).values(), len(records)) for part, records in parts.items()]
    return Table(name, title, columns, rows, **more)


def by_size(records: Iterable[T], size: Callable[[T], int], bounds: Sequence[int]) -> dict[str, list[T]]:
    """Group records by size: below the first bound, from each bound to the next, and from the last one on.

    The names of the groups say their sizes. There are no empty groups.

    >>> by_size(["", "a", "abc"], len, [1, 4])
    {'0': [''], '1-3': ['a', 'abc']}
    """
    first = [0, *bounds]
    names = [str(a) if b == a + 1 else f"{a}-{b - 1}" for a, b in zip(first, bounds, strict=False)]
    names.append(f"{bounds[-1]} and more")
    parts = defaultdict(list)
    for record in records:
        parts[sum(size(record) >= bound for bound in bounds)].append(record)
    return {names[i]: parts[i] for i in sorted(parts)}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity, which JSON lacks, by None: a diverged training has such losses."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}
