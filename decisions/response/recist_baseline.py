"""
What makes a baseline tumour assessment malformed by RECIST 1.1 (docs/domain.md, section 5; Eisenhauer, 3.1 and 4.2).

Every problem is returned at once, in the order of the form, and none if later assessments can be compared with it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from decisions.response import refusals
from schemas.problem import Problem
from schemas.response.tumour import BaselineAssessment, Method, NonTargetLesion, RecistRules, TargetLesion


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
        *listed_twice("lesions", [lesion.id for lesion in (*baseline.targets, *baseline.non_targets)]),
        *_too_many_targets(rules, baseline),
        *(problem for target in baseline.targets for problem in _unfit_target(rules, target)),
        *(problem for lesion in baseline.non_targets for problem in _normal_node(rules, lesion)),
    )


def listed_twice(form: str, lesions: Sequence[str]) -> Iterator[Problem]:
    """Yield the refusal of each lesion that is more than once in a list; `form` is the list's name."""
    for lesion, count in Counter(lesions).items():
        if count > 1:
            yield refusals.lesion_listed_twice(form, lesion, count)


def _baseline_date(
    rules: RecistRules, baseline: BaselineAssessment, treatment_started_on: date | None
) -> Iterator[Problem]:
    if treatment_started_on is None:
        return
    earliest = treatment_started_on - timedelta(days=rules.baseline_within_days)
    if not earliest <= baseline.assessed_on <= treatment_started_on:
        yield refusals.baseline_out_of_window(rules, baseline.assessed_on, earliest, treatment_started_on)


def _no_lesion(baseline: BaselineAssessment) -> Iterator[Problem]:
    if not baseline.targets and not baseline.non_targets:
        yield refusals.no_lesion()


def _too_many_targets(rules: RecistRules, baseline: BaselineAssessment) -> Iterator[Problem]:
    if len(baseline.targets) > rules.maximum_targets:
        yield refusals.too_many_targets("in all", len(baseline.targets), rules.maximum_targets)
    for organ, count in Counter(target.organ for target in baseline.targets).items():
        if count > rules.maximum_targets_per_organ:
            yield refusals.too_many_targets(f"in one organ ({organ})", count, rules.maximum_targets_per_organ)


def _unfit_target(rules: RecistRules, target: TargetLesion) -> Iterator[Problem]:
    minimum = measurable_from_mm(rules, target)
    if target.diameter_mm < rules.plausible_minimum_mm:
        yield refusals.target_in_centimetres(rules, target)
    elif target.diameter_mm < minimum:
        yield refusals.target_not_measurable(target, minimum)
    if target.irradiated and not target.progressed_since_irradiation:
        yield refusals.target_irradiated(target)


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


def _normal_node(rules: RecistRules, lesion: NonTargetLesion) -> Iterator[Problem]:
    size = lesion.short_axis_mm
    if lesion.nodal and size is not None and size < rules.node_normal_below_mm:
        yield refusals.node_of_normal_size(rules, lesion, size)
