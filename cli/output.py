"""What the `trial` command prints: lines, and one JSON document where asked for."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

from cli.folding import folded, screen_width


class OutputClosedError(Exception):
    """Whoever read the output has closed it, such as `| head`."""


def say(text: str) -> None:
    """Print lines; on a terminal those that are too long are folded between words."""
    write(sys.stdout, _fitted(text, sys.stdout))


def note(text: str) -> None:
    """Print lines on stderr, so that stdout stays one document."""
    sys.stderr.write(_fitted(text, sys.stderr))


def _fitted(text: str, to: TextIO) -> str:
    lines = text.split("\n")
    if to.isatty():
        lines = [part for line in lines for part in folded(line, screen_width(to))]
    return "\n".join(lines) + "\n"


def write(to: TextIO, text: str) -> None:
    """
    Write text.

    Raises:
        OutputClosedError: nobody reads it any more.
    """
    try:
        to.write(text)
    except BrokenPipeError:
        raise OutputClosedError from None


def emit(document: object) -> None:
    """Print one JSON document; models, times and days may stand in it."""
    write(sys.stdout, json.dumps(document, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: object) -> object:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


def pretty(document: object) -> str:
    """Return JSON for people, with a line break at its end: a list of plain values stands on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file to write, or stdout for None."""
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8") as file:
        yield file


def when(moment: object) -> str:
    """Return a moment or its ISO text as 'YYYY-MM-DD HH:MM' UTC."""
    return str(moment)[:16].replace("T", " ") if moment else ""


def spaced(name: str) -> str:
    """Return a name such as 'task_opened' in words."""
    return name.replace("_", " ")
