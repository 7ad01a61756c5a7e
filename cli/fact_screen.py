"""Facts on the screen: number, when, what, who in which role, why."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cli.output import spaced, when
from cli.tables import table

HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def show_facts(title: str, facts: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Show facts with their numbers; a hash is shown by its first 12 digits."""
    from history.fact_words import describe_fact  # noqa: PLC0415 - slow to load

    rows = [
        (
            number,
            when(fact["at"]),
            HASH.sub(r"\1...", f"{spaced(fact['kind'])}\n{describe_fact(dict(fact))}".strip()),
            who_of(fact),
            fact["why"],
        )
        for number, fact in facts
    ]
    table(title, ("#", "When (UTC)", "What", "Who (role)", "Why"), rows, empty="no such fact", leading=2)


def who_of(fact: Mapping[str, Any]) -> str:
    """Return who a fact comes from, and in which role."""
    return "system" if fact["who"] == "system" else f"{fact['who']} ({fact['role']})"
