"""Charts as PNG: learning curves, and the scores of a table. No TensorFlow here."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure

from common.cli import UserError
from common.files import check_output_path, replaced
from common.fonts import find_font

MAX_ROWS = 300  # rows in a chart; the page of a report shows all rows
MAX_NAME = 24  # a longer name of a row is cut
INCHES = 0.22  # height of a row
MARKERS = "o<>s"  # one for each column


def plot_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the loss and the dev scores by epoch as a PNG. Scores that exceed 1 in some epoch have their own panel.

    `history` has at least one row. The keys of a row are "epoch", "loss", "seconds" and the names of the scores.
    """
    scores = [name for name in history[0] if name not in ("epoch", "loss", "seconds")]
    shares = [name for name in scores if all(row[name] <= 1 for row in history)]
    larger = [name for name in scores if name not in shares]
    panels = [names for names in (["loss"], shares, larger) if names]
    figure = matplotlib.figure.Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for axes, names in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for name in names:
            label = f"training {name}" if name == "loss" else f"dev {name}"
            axes.plot([row["epoch"] for row in history], [row[name] for row in history], "o-", label=label)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def plot_scores(title: str, columns: tuple[str, ...], rows: list[tuple], main: str, best: float, path: Path) -> None:
    """Draw the scores of rows as a PNG. If no font has the names, print a note on standard error instead.

    Args:
        title: the title of the chart.
        columns: names of the scores.
        rows: each has a name, a score for each column, and its support. The chart has the first `MAX_ROWS` of the rows
            whose support is not 0.
        main: the column that is drawn as bars. The others are drawn as markers.
        best: the highest score that is possible.
        path: the file to write.
    """
    try:
        fonts = [] if all(row[0].isascii() for row in rows) else [find_font()]
    except UserError as error:
        print(f"note: {path} is left out: {error}", file=sys.stderr)
        return
    rows = [row for row in rows if row[-1]][:MAX_ROWS]
    names = [f"{_printable(name)} ({support})" for name, *_, support in rows]
    with matplotlib.rc_context({"font.sans-serif": [*fonts, "DejaVu Sans"]}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may have characters that no font has
        figure = matplotlib.figure.Figure((8, 1.2 + INCHES * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = range(len(rows))
        for column, marker, scores in zip(columns, MARKERS, list(zip(*rows, strict=True))[1:], strict=False):
            if column == main:
                axes.barh(places, scores, color="#c6dbef", label=column)
            else:
                axes.plot(scores, places, marker, markersize=4, label=column)
        axes.set_yticks(places, names, parse_math=False)
        axes.set(xlim=(0, best * 1.02), ylim=(len(rows) - 0.4, -0.6), title=title)
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=len(columns))
        _save(figure, path)


def _printable(name: str) -> str:
    """Put a name on one line, cut it to `MAX_NAME`, and replace lone surrogates, which matplotlib refuses."""
    return " ".join(name.split())[:MAX_NAME].encode(errors="replace").decode()


def _save(figure: matplotlib.figure.Figure, path: Path) -> None:
    check_output_path(path)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
