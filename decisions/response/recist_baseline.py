"""
What makes a baseline tumour assessment malformed by RECIST 1.1 (Eisenhauer EJC 2009;45:228-247, 3.1 and 4.2).

Every problem is returned at once, in the order of the form, and none if later assessments can be held against it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from schemas.problem import Problem, ProblemType
from schemas.response.tumour import BaselineAssessment, Method, NonTargetLesion, RecistRules, TargetLesion, in_mm

MM_PER_CM = 10


def malformed_baseline(
    rules: RecistRules, baseline: BaselineAssessment, treatment_started_on: date | None = None
) -> tuple[Problem, ...]:
    """
    Check a baseline: its date against the start of treatment (where that is known), its lesions and their sizes.

    At most `baseline_within_days` (days, inside) before treatment, and not after its start.
    """
    return (
        *_baseline_date(rules, baseline, treatment_started_on),
        *_no_lesion(baseline),
        *told_twice("lesions", [lesion.id for lesion in (*baseline.targets, *baseline.non_targets)]),
        *_too_many_targets(rules, baseline),
        *(problem for target in baseline.targets for problem in _unfit_target(rules, target)),
        *(problem for lesion in baseline.non_targets for problem in _normal_node(rules, lesion)),
    )


def told_twice(form: str, lesions: Sequence[str]) -> Iterator[Problem]:
    """A lesion stands once in a list; `form` is the list's name."""
    for lesion, count in Counter(lesions).items():
        if count > 1:
            yield Problem(
                type=ProblemType.INVALID_INPUT,
                field=f"{form}.{lesion}",
                value=f"{count} times",
                rule="a lesion has one id and one entry",
                expected="once",
            )


def _baseline_date(
    rules: RecistRules, baseline: BaselineAssessment, treatment_started_on: date | None
) -> Iterator[Problem]:
    if treatment_started_on is None:
        return
    earliest = treatment_started_on - timedelta(days=rules.baseline_within_days)
    if not earliest <= baseline.assessed_on <= treatment_started_on:
        yield Problem(
            type=ProblemType.OUT_OF_RANGE,
            field="assessed_on",
            value=baseline.assessed_on.isoformat(),
            rule=f"the baseline lies within {rules.baseline_within_days} days before the start of treatment",
            expected=f"{earliest} to {treatment_started_on}",
        )


def _no_lesion(baseline: BaselineAssessment) -> Iterator[Problem]:
    if not baseline.targets and not baseline.non_targets:
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field="targets",
            value="(none)",
            rule="a baseline without a lesion leaves nothing to follow",
            expected="at least one target or non-target lesion",
        )


def _too_many_targets(rules: RecistRules, baseline: BaselineAssessment) -> Iterator[Problem]:
    if len(baseline.targets) > rules.maximum_targets:
        yield _too_many("in all", len(baseline.targets), rules.maximum_targets)
    for organ, count in Counter(target.organ for target in baseline.targets).items():
        if count > rules.maximum_targets_per_organ:
            yield _too_many(f"in one organ ({organ})", count, rules.maximum_targets_per_organ)


def _too_many(where: str, count: int, maximum: int) -> Problem:
    return Problem(
        type=ProblemType.OUT_OF_RANGE,
        field="targets",
        value=f"{count} targets",
        rule=f"at most {maximum} targets {where}; all others are non-target lesions",
        expected=f"at most {maximum}",
    )


def _unfit_target(rules: RecistRules, target: TargetLesion) -> Iterator[Problem]:
    minimum = measurable_from_mm(rules, target)
    if target.diameter_mm < rules.plausible_minimum_mm:
        yield Problem(
            type=ProblemType.WRONG_UNIT,
            field=f"targets.{target.id}.diameter_mm",
            value=in_mm(target.diameter_mm),
            rule=f"a target below {in_mm(rules.plausible_minimum_mm)} looks like centimetres",
            expected=f"millimetres: {in_mm(target.diameter_mm * MM_PER_CM)}, if it was measured in centimetres",
        )
    elif target.diameter_mm < minimum:
        yield Problem(
            type=ProblemType.OUT_OF_RANGE,
            field=f"targets.{target.id}.diameter_mm",
            value=in_mm(target.diameter_mm),
            rule=f"a target is measurable: {_measured_by(target)} from {in_mm(minimum)} on",
            expected=f"at least {in_mm(minimum)}, or a non-target lesion",
        )
    if target.irradiated and not target.progressed_since_irradiation:
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field=f"targets.{target.id}.irradiated",
            value="true",
            rule="an irradiated lesion is measurable only if it has progressed since",
            expected="progressed_since_irradiation true, or a non-target lesion",
        )


def measurable_from_mm(rules: RecistRules, target: TargetLesion) -> Decimal:
    """
    Return the size in mm from which such a lesion is measurable, itself included (Eisenhauer, 3.1.1).

    A lymph node by its short axis, on a chest X-ray more, and in slices above `thick_slice_above_mm` at least
    `thick_slice_multiple` slices.
    """
    minimum = rules.measurable_minimum_mm
    if target.nodal:
        minimum = rules.node_measurable_minimum_mm
    elif target.method is Method.CHEST_XRAY:
        minimum = rules.chest_xray_minimum_mm
    slice_mm = target.slice_thickness_mm
    if slice_mm is not None and slice_mm > rules.thick_slice_above_mm:
        return max(minimum, rules.thick_slice_multiple * slice_mm)
    return minimum


def _measured_by(target: TargetLesion) -> str:
    thickness = "" if target.slice_thickness_mm is None else f" in slices of {in_mm(target.slice_thickness_mm)}"
    return f"{'short axis of a lymph node' if target.nodal else 'longest diameter'} by {target.method}{thickness}"


def _normal_node(rules: RecistRules, lesion: NonTargetLesion) -> Iterator[Problem]:
    if lesion.nodal and lesion.short_axis_mm is not None and lesion.short_axis_mm < rules.node_normal_below_mm:
        yield Problem(
            type=ProblemType.OUT_OF_RANGE,
            field=f"non_targets.{lesion.id}.short_axis_mm",
            value=in_mm(lesion.short_axis_mm),
            rule="a lymph node of normal size is no lesion",
            expected=f"at least {in_mm(rules.node_normal_below_mm)}",
        )
