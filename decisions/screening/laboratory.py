"""
Laboratory values against the protocol's cut-offs (trial record NCT07510828, Eligibility, inclusion 6).

Eligibility and the check before lymphodepletion share these rules. A value that cannot be trusted (wrong unit,
implausible) is not judged: it counts as missing.
"""

from collections.abc import Iterator, Mapping, Sequence

from decisions.screening import refusals
from schemas.base import Frozen
from schemas.problem import Problem
from schemas.protocol import LaboratoryRule
from schemas.screening.eligibility import Laboratory, Verdict


class LaboratoryFinding(Frozen):
    """One analyte, judged: `met` is within the limit, in the protocol's unit."""

    analyte: str
    verdict: Verdict
    value: str
    reason: str


def wrong_unit_or_implausible(
    rules: Sequence[LaboratoryRule], laboratory: Mapping[str, Laboratory], field: str
) -> Problem | None:
    """Return the first of `laboratory_problems`, or none."""
    return next(iter(laboratory_problems(rules, laboratory, field)), None)


def laboratory_problems(
    rules: Sequence[LaboratoryRule], laboratory: Mapping[str, Laboratory], field: str = "laboratory"
) -> tuple[Problem, ...]:
    """
    Return what makes given values unusable: an unknown analyte, another unit, or a value outside the plausible range.

    `field` is the values' place in the answer; problems name '<field>.<analyte>.unit' or '.value'.
    """
    by_analyte = {rule.analyte: rule for rule in rules}
    return tuple(
        problem
        for analyte, given in laboratory.items()
        for problem in _value_problems(by_analyte, analyte, given, f"{field}.{analyte}")
    )


def judge_laboratory(
    rules: Sequence[LaboratoryRule],
    laboratory: Mapping[str, Laboratory],
    liver_metastases: bool | None,
    gilbert_syndrome: bool | None,
) -> tuple[LaboratoryFinding, ...]:
    """
    Judge every analyte that the protocol asks for; limits are inclusive.

    A condition that would relax a limit and is not known (none) leaves a value between the two limits missing.
    """
    conditions = {"liver_metastases": liver_metastases, "gilbert_syndrome": gilbert_syndrome}
    return tuple(_finding(rule, laboratory.get(rule.analyte), conditions) for rule in rules)


def failed_laboratory(
    rules: Sequence[LaboratoryRule],
    laboratory: Mapping[str, Laboratory],
    liver_metastases: bool | None,
    gilbert_syndrome: bool | None,
) -> tuple[LaboratoryFinding, ...]:
    """Return the findings that are not within their limit, the missing ones among them."""
    findings = judge_laboratory(rules, laboratory, liver_metastases, gilbert_syndrome)
    return tuple(finding for finding in findings if finding.verdict is not Verdict.MET)


def _value_problems(
    rules: Mapping[str, LaboratoryRule], analyte: str, given: Laboratory, field: str
) -> Iterator[Problem]:
    rule = rules.get(analyte)
    if rule is None:
        yield refusals.unknown_analyte(field, given, rules)
    elif given.unit != rule.unit:
        yield refusals.wrong_laboratory_unit(f"{field}.unit", given, rule)
    elif not rule.plausible_low <= given.value <= rule.plausible_high:
        yield refusals.implausible_value(f"{field}.value", given, rule)


def _finding(
    rule: LaboratoryRule, given: Laboratory | None, conditions: Mapping[str, bool | None]
) -> LaboratoryFinding:
    if given is None:
        reason = f"{rule.analyte} missing, {_limits(rule)}"
        return LaboratoryFinding(analyte=rule.analyte, verdict=Verdict.MISSING, value="missing", reason=reason)
    value = f"{given.value:g} {given.unit}"
    unusable = wrong_unit_or_implausible([rule], {rule.analyte: given}, "laboratory")
    if unusable is not None:
        reason = f"{rule.analyte} missing: {value} is not usable, {unusable.rule}, expected {unusable.expected}"
        return LaboratoryFinding(analyte=rule.analyte, verdict=Verdict.MISSING, value=value, reason=reason)
    condition = conditions.get(rule.relaxed_by) if rule.relaxed_by else False
    verdict = _verdict(rule, given.value, condition)
    reason = f"{rule.analyte} {value}, {_limits(rule)}{_condition_note(rule, condition, verdict)}"
    return LaboratoryFinding(analyte=rule.analyte, verdict=verdict, value=value, reason=reason)


def _verdict(rule: LaboratoryRule, value: float, condition: bool | None) -> Verdict:
    high_enough = rule.minimum is None or value >= rule.minimum
    low_enough = rule.maximum is None or value <= rule.maximum
    low_enough_if_relaxed = rule.relaxed_maximum is not None and value <= rule.relaxed_maximum
    if high_enough and (low_enough or (low_enough_if_relaxed and condition)):
        return Verdict.MET
    undecided = high_enough and low_enough_if_relaxed and condition is None
    return Verdict.MISSING if undecided else Verdict.NOT_MET


def _limits(rule: LaboratoryRule) -> str:
    parts = []
    if rule.minimum is not None:
        parts.append(f"at least {rule.minimum:g} {rule.unit}")
    if rule.maximum is not None:
        parts.append(f"at most {rule.maximum:g} {rule.unit}")
    if rule.relaxed_maximum is not None:
        parts.append(f"with {rule.relaxed_by} at most {rule.relaxed_maximum:g} {rule.unit}")
    return "required: " + ", ".join(parts)


def _condition_note(rule: LaboratoryRule, condition: bool | None, verdict: Verdict) -> str:
    if verdict is Verdict.MISSING:
        return f"; {rule.relaxed_by} missing"
    return f"; {rule.relaxed_by} applies" if condition else ""
