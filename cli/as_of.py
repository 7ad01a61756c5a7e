"""The moment as of which a state is shown."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.exit_codes import Exit
from cli.failures import fail

AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME|N",
        help="As it was at a time, such as 2026-11-24T09:00:00Z, or after the fact with this number; else now.",
    ),
]


LONGEST_NUMBER = 9
"""Digits of a fact's number."""


def as_of_in(text: str | None) -> datetime | int | None:
    """Return a time or a fact's number; None for now."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER:
        return int(text)
    return time_in(text, "--as-of")


def time_in(text: str, flag: str) -> datetime:
    """Return a time that has its zone."""
    expected = "a time with its zone, such as 2026-11-24T09:00:00Z"
    try:
        time = datetime.fromisoformat(text)
        in_utc = time.astimezone(UTC)
    except (ValueError, OverflowError):
        fail(Exit.BAD_INPUT, "InvalidInput", "is no time", field=flag, value=text, expected=expected)
    if time.tzinfo is None:
        fail(Exit.BAD_INPUT, "InvalidInput", "has no zone", field=flag, value=text, expected=expected)
    return in_utc
