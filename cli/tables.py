"""
Tables of plain text that fit the terminal.

Lines are folded between words only, so an id or a hash is never cut. Where the columns find no room, each row is a
block of lines instead. A file or a pipe gets a wide table, without blanks at the ends of its lines.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from cli.folding import folded, screen_width, width_of
from cli.output import write

GAP = "  "
READABLE = 12
"""The least columns of the screen for text that has to be folded."""
RED, PLAIN = "\x1b[31m", "\x1b[0m"

Cell = list[str]
"""The lines of a cell."""


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str = "none",
    leading: int = 1,
    red: Sequence[bool] = (),
    to: TextIO | None = None,
) -> None:
    """
    Print a table.

    Args:
        title: a line above it; without one there is none.
        columns: the heads; the first column names the row, such as an id.
        rows: the cells; None is an empty cell, and a cell may have several lines.
        empty: what stands in place of rows where there are none.
        leading: so many cells stand in the first line of a block.
        red: which rows are red on a terminal, in their order.
        to: where to print; else stdout.
    """
    to = to or sys.stdout
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return write(to, f"{title}: {empty}\n\n" if title else f"{empty}\n\n")
    screen = screen_width(to)
    widths = _widths([[[column] for column in columns], *cells], screen)
    drawn = [_row(row, widths) if widths else _block(columns, row, leading, screen) for row in cells]
    if red and _has_colours(to):
        drawn = [_in_red(lines) if marked else lines for lines, marked in zip(drawn, red, strict=True)]
    head = [*(folded(title, screen) if title else []), *(_head(columns, widths) if widths else [])]
    lines = [*head, *(line for lines in drawn for line in lines)]
    return write(to, "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n\n")


def _head(columns: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [*_row([[column] for column in columns], widths), GAP.join("-" * width for width in widths)]


def _row(row: Sequence[Cell], widths: Sequence[int]) -> list[str]:
    cells = [[part for line in cell for part in folded(line, width)] for cell, width in zip(row, widths, strict=True)]
    height = max(len(cell) for cell in cells)
    return [
        GAP.join(
            _padded(cell[line] if line < len(cell) else "", width) for cell, width in zip(cells, widths, strict=True)
        )
        for line in range(height)
    ]


def _block(columns: Sequence[str], row: Sequence[Cell], leading: int, screen: int) -> list[str]:
    """Return a row as lines: the leading cells, and below them the others with their heads."""
    label = max(width_of(column) for column in columns[leading:])
    room = max(READABLE, screen - label - 2 * len(GAP))
    lines = [GAP.join(" ".join(cell) for cell in row[:leading])]
    for column, cell in zip(columns[leading:], row[leading:], strict=True):
        parts = [part for line in cell for part in folded(line, room)]
        heads = [column, *[""] * len(parts)]
        lines += [f"{GAP}{_padded(head, label)}{GAP}{part}" for head, part in zip(heads, parts, strict=False) if part]
    return [*lines, ""]


def _widths(rows: Sequence[Sequence[Cell]], available: int) -> list[int] | None:
    """Return the width of each column so that all fit, the widest folded first; None where they don't."""
    columns = list(zip(*rows, strict=True))
    widths = [max(width_of(line) for cell in column for line in cell) for column in columns]
    least = [_least(column, width) for column, width in zip(columns, widths, strict=True)]
    room = available - len(GAP) * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def _least(column: Sequence[Cell], width: int) -> int:
    words = (word for cell in column for line in cell for word in line.split(" "))
    return max(min(width, READABLE), *(width_of(word) for word in words))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _cell(value: object) -> Cell:
    text = "" if value is None else plain_number(value) if isinstance(value, float) else str(value)
    # What stands in a table is data: none of it may steer the terminal.
    return ["".join(letter if letter.isprintable() else " " for letter in line) for line in text.split("\n")]


def plain_number(value: float) -> str:
    """Return a number without needless zeros."""
    return f"{value:g}"


def _has_colours(to: TextIO) -> bool:
    return to.isatty() and not os.environ.get("NO_COLOR")


def _in_red(lines: Sequence[str]) -> list[str]:
    return [f"{RED}{line.rstrip()}{PLAIN}" for line in lines]
