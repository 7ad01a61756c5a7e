"""What is wrong with a command that cannot even be read, said as any other problem is: field, value, rule."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from decisions.commands.refusals import invalid_input
from schemas.problem import Problem

LONGEST = 80
"""Of a value that is repeated to its sender, no more characters than these."""
_LIMITS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def problem_of(error: ValidationError) -> Problem:
    """
    Return the first of the problems that a model found.

    Where a rule concerns several fields of a part, the models' messages begin with the field that is wrong: it is
    named, rather than the part as a whole.
    """
    found = error.errors(include_url=False)[0]
    rule = found["msg"].removeprefix("Value error, ")
    place, value = _place(found["loc"], found["input"], rule)
    shown = "(missing)" if found["type"] == "missing" else _shown(value)
    return invalid_input(place or "command", shown, rule, _expected(found.get("ctx") or {}))


def _place(loc: Sequence[int | str], given: Any, rule: str) -> tuple[str, Any]:  # noqa: ANN401 - whatever was sent
    place = ".".join(str(step) for step in loc)
    word = rule.partition(" ")[0].rstrip(":")
    if isinstance(given, Mapping) and word in given:
        return f"{place}.{word}" if place else word, given[word]
    return place, given


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever was sent
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _expected(context: Mapping[str, Any]) -> str:
    if "expected" in context:
        return str(context["expected"])
    limits = [f"{words} {context[key]}" for key, words in _LIMITS if key in context]
    return " and ".join(limits) or "what the rule says"
