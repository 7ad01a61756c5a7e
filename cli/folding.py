"""Text folded between words to the width of the screen: an id or a hash is never cut."""

import shutil
from typing import TextIO
from unicodedata import combining, east_asian_width

WIDTH_WITHOUT_TERMINAL = 160
"""Columns of what goes to a file or a pipe."""


def screen_width(to: TextIO) -> int:
    """Return the columns of a terminal, or those of what goes elsewhere."""
    fallback = (WIDTH_WITHOUT_TERMINAL, 24)
    return shutil.get_terminal_size(fallback).columns if to.isatty() else WIDTH_WITHOUT_TERMINAL


def folded(line: str, width: int) -> list[str]:
    """Fold a line between words; a word that is longer than the width stays whole."""
    if width_of(line) <= width:
        return [line]
    lines, last = [], ""
    for word in line.split():
        longer = f"{last} {word}" if last else word
        if last and width_of(longer) > width:
            lines.append(last)
            longer = word
        last = longer
    return [*lines, last]


def width_of(text: str) -> int:
    """Count columns of the screen: East Asian letters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)
