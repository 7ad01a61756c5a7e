"""The refusal of a command that cannot be parsed: the field, the value and the rule that pydantic found."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from decisions.commands.refusals import invalid_input
from schemas.problem import Problem

MAXIMUM_CHARACTERS = 80
"""The most characters that are repeated of a value."""
_LIMITS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def problem_of(error: ValidationError) -> Problem:
    """
    Return the first of the problems that a model found.

    Where a rule concerns several fields of a model, the model's message begins with the field that is wrong: that field
    is named, rather than the model as a whole.
    """
    found = error.errors(include_url=False)[0]
    rule = found["msg"].removeprefix("Value error, ")
    place, value = _place(found["loc"], found["input"], rule)
    shown = "(missing)" if found["type"] == "missing" else _shown(value)
    return invalid_input(place or "command", shown, rule, _expected(found.get("ctx") or {}))


def _place(loc: Sequence[int | str], given: Any, rule: str) -> tuple[str, Any]:  # noqa: ANN401 - whatever was sent
    place = ".".join(str(step) for step in loc)
    name = rule.partition(" ")[0].rstrip(":")
    if isinstance(given, Mapping) and name in given:
        return f"{place}.{name}" if place else name, given[name]
    return place, given


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever was sent
    text = str(value)
    return text if len(text) <= MAXIMUM_CHARACTERS else f"{text[:MAXIMUM_CHARACTERS]}..."


def _expected(context: Mapping[str, Any]) -> str:
    if "expected" in context:
        return str(context["expected"])
    limits = [f"{words} {context[key]}" for key, words in _LIMITS if key in context]
    return " and ".join(limits) or "what the rule says"
