"""Draws a sentence's tree above the heat map of its relatedness, as SVG and PNG."""

from pathlib import Path

import matplotlib.figure
import numpy as np

from common.files import make_folder, replaced
from common.fonts import find_font
from trees import Bracket

INCHES = 0.3  # the size of a row and of a column
MOST_CHARACTERS = 24  # of a longer word, the rest is not drawn
STACKED = 4  # if no word has more characters than this, those below the map are stacked; otherwise words are turned

Point = tuple[float, int]  # x, level


def prepare(path: str) -> None:
    """Make the folder for the pictures, and find a font. Raises UserError if either fails."""
    make_folder(path)
    matplotlib.rcParams["font.sans-serif"] = [find_font(), "DejaVu Sans"]


def draw(words: list[str], matrix: np.ndarray, brackets: list[Bracket], path: Path) -> None:
    """Draw a sentence, and write `path`.svg and `path`.png.

    Args:
        words: the n words of the sentence.
        matrix: the relatedness f(i, j), float [n, n]; rows are i.
        brackets: the tree, outer brackets first.
        path: the name of both files without its ending.
    """
    words = [word[:MOST_CHARACTERS] for word in words]
    nodes, levels = place(len(words), brackets)
    height, side = INCHES * (levels + 1), INCHES * len(words)
    longest = INCHES * 0.6 * max(map(len, words))
    figure = matplotlib.figure.Figure((side + longest + 1, height + side + longest + 0.5), layout="constrained")
    tree, heat = figure.subplots(2, 1, sharex=True, height_ratios=[height, side])
    for x, y, children in nodes:
        for child_x, child_y in children:
            tree.plot([x, child_x, child_x], [y, y, child_y], color="0.3", linewidth=1)
    tree.set_ylim(0, levels + 0.5)
    tree.set_axis_off()
    image = heat.imshow(matrix, cmap="Blues", vmin=0, aspect="auto")
    figure.colorbar(image, ax=heat, label="f(i, j)", shrink=min(1.0, 2 / side), anchor=(0, 1))
    stacked = max(map(len, words)) <= STACKED
    below = ["\n".join(word) for word in words] if stacked else words
    for axis, names in ((heat.xaxis, below), (heat.yaxis, words)):
        axis.set_ticks(range(len(words)), names, parse_math=False)
        axis.set_tick_params(length=0)
    heat.set_ylabel("i")
    heat.set_xlabel("j")
    heat.tick_params(axis="x", labelrotation=0 if stacked else 90)
    for ending in ("svg", "png"):
        with replaced(path.with_name(f"{path.name}.{ending}")) as temporary:
            figure.savefig(temporary, dpi=150, format=ending)


def place(n: int, brackets: list[Bracket]) -> tuple[list[tuple[float, int, list[Point]]], int]:
    """Place the brackets of a tree over its leaves, which are at (0, 0) to (n - 1, 0).

    A bracket is in the middle of its parts, a level above the highest of them. Returns (x, level, points of the parts)
    of each bracket, inner ones first, and the highest level.
    """
    places: dict[int, tuple[int, Point]] = {i: (i + 1, (float(i), 0)) for i in range(n)}  # start -> end, point
    nodes = []
    for start, end in reversed(brackets):  # inner ones first
        children, at = [], start
        while at < end:
            at, child = places[at]
            children.append(child)
        x = (children[0][0] + children[-1][0]) / 2
        level = 1 + max(level for _, level in children)
        places[start] = (end, (x, level))
        nodes.append((x, level, children))
    return nodes, max((level for _, level, _ in nodes), default=0)
