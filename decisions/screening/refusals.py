"""Refusals about laboratory values: an unknown analyte, another unit, an implausible value."""

from collections.abc import Iterable

from schemas.problem import Problem, ProblemType
from schemas.protocol import LaboratoryRule
from schemas.screening.eligibility import Laboratory


def unknown_analyte(field: str, given: Laboratory, analytes: Iterable[str]) -> Problem:
    """The protocol does not ask for the analyte; `analytes` are those that it asks for."""
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field=field,
        value=f"{given.value:g} {given.unit}",
        rule="the protocol asks for no such analyte",
        expected=f"one of {', '.join(analytes)}",
    )


def wrong_laboratory_unit(field: str, given: Laboratory, rule: LaboratoryRule) -> Problem:
    """The value has another unit than the protocol's."""
    return Problem(
        type=ProblemType.WRONG_UNIT,
        field=field,
        value=given.unit,
        rule=f"{rule.analyte} is given in the protocol's unit",
        expected=rule.unit,
    )


def implausible_value(field: str, given: Laboratory, rule: LaboratoryRule) -> Problem:
    """The value is outside of the range that the protocol holds for plausible, both ends included."""
    return Problem(
        type=ProblemType.OUT_OF_RANGE,
        field=field,
        value=f"{given.value:g}",
        rule=f"{rule.analyte} in {rule.unit} is implausible outside the protocol's range",
        expected=f"{rule.plausible_low:g} to {rule.plausible_high:g} {rule.unit}",
    )
