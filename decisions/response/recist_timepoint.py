"""
What each tumour assessment means by RECIST 1.1 (docs/domain.md, section 5; Eisenhauer EJC 2009;45:228-247).

Targets are judged by their sum in millimetres, all other lesions by their appearance. Arithmetic is decimal and exact.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from decisions.response.recist_confirmation import first_confirmed
from schemas.response.tumour import (
    BaselineAssessment,
    Certainty,
    NewLesion,
    NonTargetStatus,
    RecistRules,
    Response,
    TargetMeasurement,
    TargetState,
    TimepointResponse,
    TumourAssessment,
    in_mm,
)

_ZERO = Decimal(0)

Sizes = dict[str, tuple[Decimal, ...] | None]
"""The diameters of each target in mm, more than one if it split; none if it was not measured."""


class Finding(NamedTuple):
    """A response of one kind of lesions, none where there are no such lesions, and the reason."""

    response: Response | None
    why: str


def judge_timepoints(
    rules: RecistRules, baseline: BaselineAssessment, assessments: Sequence[TumourAssessment]
) -> tuple[TimepointResponse, ...]:
    """
    Judge all assessments after baseline, the earliest first, in whatever order they come.

    Each is compared with the baseline and the smallest sum before it. An equivocal new lesion that a later assessment
    finds unequivocal counts from the first (docs/domain.md, section 5).
    """
    ordered = sorted(assessments, key=lambda assessment: assessment.assessed_on)
    judged: tuple[TimepointResponse, ...] = ()
    for index, assessment in enumerate(ordered):
        new_lesions = counting_new_lesions(rules, assessment, ordered[index:])
        judged = (*judged, _judge_timepoint(rules, baseline, judged, assessment, new_lesions))
    return judged


def _judge_timepoint(
    rules: RecistRules,
    baseline: BaselineAssessment,
    earlier: tuple[TimepointResponse, ...],
    assessment: TumourAssessment,
    new_lesions: tuple[NewLesion, ...],
) -> TimepointResponse:
    nadir = nadir_mm(baseline, earlier)
    target = _continued(rules, earlier, judge_target(rules, baseline, nadir, assessment))
    non_target = judge_non_target(baseline, assessment)
    overall = overall_response(target.response, non_target.response, new_lesion=bool(new_lesions))
    relapse = _relapse(rules, baseline, earlier, assessment)
    return TimepointResponse(
        assessed_on=assessment.assessed_on,
        target=target.response,
        non_target=non_target.response,
        new_lesion=bool(new_lesions),
        overall=Response.PD if relapse else overall,
        sum_mm=sum_mm(rules, baseline, assessment),
        nadir_mm=nadir,
        why="; ".join([target.why, non_target.why, _about_new_lesions(assessment, new_lesions), *relapse]),
    )


# Targets


def baseline_sum_mm(baseline: BaselineAssessment) -> Decimal:
    """Add up the targets at baseline, in mm (longest diameters, of lymph nodes the short axes)."""
    return sum((target.diameter_mm for target in baseline.targets), _ZERO)


def nadir_mm(baseline: BaselineAssessment, earlier: Sequence[TimepointResponse]) -> Decimal | None:
    """Return the smallest sum of baseline and the earlier assessments with every target measured; none, no targets."""
    if not baseline.targets:
        return None
    return min([baseline_sum_mm(baseline), *(point.sum_mm for point in earlier if point.sum_mm is not None)])


def sum_mm(rules: RecistRules, baseline: BaselineAssessment, assessment: TumourAssessment) -> Decimal | None:
    """Add up the targets at an assessment, in mm; none without targets, or if one of them was not measured."""
    sizes = _sizes(rules, baseline, assessment)
    if not sizes or None in sizes.values():
        return None
    return _total(sizes)


def judge_target(
    rules: RecistRules, baseline: BaselineAssessment, nadir: Decimal | None, assessment: TumourAssessment
) -> Finding:
    """
    Judge the targets, in the order of docs/domain.md, section 5: NE, CR, PD, PR, SD.

    An unmeasured target makes NE, unless what was measured is progression already, whatever the size of the rest. CR:
    nothing left but lymph nodes below `node_normal_below_mm`. PD and PR include their limits; PD goes before PR.
    """
    if nadir is None:
        return Finding(None, "no targets at baseline")
    sizes = _sizes(rules, baseline, assessment)
    total, gone = _total(sizes), _is_gone(rules, baseline, sizes)
    # Seen again after nothing was left is progression at any size.
    progressed = not gone and (nadir == _ZERO or total >= _progression_from_mm(rules, nadir))
    unmeasured = [lesion for lesion, size in sizes.items() if size is None]
    why = f"targets {in_mm(total)}, {_limits(rules, baseline, nadir)}"
    if unmeasured:
        return Finding(Response.PD if progressed else Response.NE, f"{why}, not measured: {', '.join(unmeasured)}")
    if gone:
        return Finding(Response.CR, f"{why}, all gone or lymph nodes of normal size")
    if progressed:
        return Finding(Response.PD, why)
    return Finding(Response.PR if total <= _partial_up_to_mm(rules, baseline) else Response.SD, why)


def _progression_from_mm(rules: RecistRules, nadir: Decimal) -> Decimal:
    return nadir + max(rules.progression_absolute_mm, nadir * rules.progression_percent / 100)


def _partial_up_to_mm(rules: RecistRules, baseline: BaselineAssessment) -> Decimal:
    return baseline_sum_mm(baseline) * (100 - rules.partial_response_percent) / 100


def _limits(rules: RecistRules, baseline: BaselineAssessment, nadir: Decimal) -> str:
    partial = f"PR up to {in_mm(_partial_up_to_mm(rules, baseline))} (baseline {in_mm(baseline_sum_mm(baseline))})"
    progression = f"from {in_mm(_progression_from_mm(rules, nadir))}" if nadir else "when seen again"
    return f"{partial}, PD {progression} (nadir {in_mm(nadir)})"


def _sizes(rules: RecistRules, baseline: BaselineAssessment, assessment: TumourAssessment) -> Sizes:
    found = {measurement.lesion: measurement for measurement in assessment.targets}
    return {target.id: _size(rules, found.get(target.id)) for target in baseline.targets}


def _size(rules: RecistRules, measurement: TargetMeasurement | None) -> tuple[Decimal, ...] | None:
    if measurement is None or measurement.state is TargetState.NOT_EVALUABLE:
        return None
    if measurement.state is TargetState.TOO_SMALL_TO_MEASURE:
        return (rules.too_small_to_measure_mm,)
    # One that merged has no diameter of its own: the lesion that it merged with is measured for both.
    return measurement.diameters_mm


def _total(sizes: Sizes) -> Decimal:
    return sum((sum(parts, _ZERO) for parts in sizes.values() if parts is not None), _ZERO)


def _is_gone(rules: RecistRules, baseline: BaselineAssessment, sizes: Sizes) -> bool:
    """Whether nothing that was measured is disease: 0 mm, or a lymph node of normal size."""
    return all(
        part < rules.node_normal_below_mm if target.nodal else part == _ZERO
        for target in baseline.targets
        for part in sizes[target.id] or ()
    )


def _continued(rules: RecistRules, earlier: tuple[TimepointResponse, ...], target: Finding) -> Finding:
    """Keep a confirmed PR as PR until progression, if the protocol has it so (EORTC RECIST questions)."""
    progressed = any(point.overall is Response.PD for point in earlier)
    if not rules.confirmed_partial_response_continues or target.response is not Response.SD or progressed:
        return target
    confirmed = first_confirmed(rules, Response.PR, earlier)
    if confirmed is None:
        return target
    return Finding(Response.PR, f"{target.why}, continues the PR confirmed on {confirmed.confirmed_on}")


# Non-targets and new lesions


def judge_non_target(baseline: BaselineAssessment, assessment: TumourAssessment) -> Finding:
    """
    Judge the other lesions by their appearance: PD, else NE if one was not seen, else NON-CR/NON-PD or CR.

    CR takes normal tumour markers too, where any is followed (Eisenhauer, 4.3.3).
    """
    statuses = _statuses(baseline, assessment)
    abnormal = assessment.tumour_markers_normal is False
    if NonTargetStatus.UNEQUIVOCAL_PROGRESSION in statuses:
        return Finding(Response.PD, "non-targets: unequivocal progression")
    if NonTargetStatus.NOT_EVALUABLE in statuses:
        return Finding(Response.NE, "non-targets: not all evaluable")
    if NonTargetStatus.PRESENT in statuses:
        return Finding(Response.NON_CR_NON_PD, "non-targets: still present")
    if abnormal:
        return Finding(Response.NON_CR_NON_PD, "tumour markers above normal")
    return Finding(Response.CR, "non-targets: all absent") if statuses else Finding(None, "no non-targets at baseline")


def _statuses(baseline: BaselineAssessment, assessment: TumourAssessment) -> set[NonTargetStatus]:
    found = {observation.lesion: observation.status for observation in assessment.non_targets}
    overall = assessment.non_target_overall
    # A judgement of all of them together counts for those that are not listed.
    missing = NonTargetStatus.NOT_EVALUABLE if overall is None else overall
    listed = {found.get(lesion.id, missing) for lesion in baseline.non_targets}
    return listed if overall is None else listed | {overall}


def counting_new_lesions(
    rules: RecistRules, assessment: TumourAssessment, from_then_on: Sequence[TumourAssessment]
) -> tuple[NewLesion, ...]:
    """
    Return the new lesions of an assessment that are progression.

    Those unequivocal in any assessment of `from_then_on`, this one included; a lymph node only from
    `node_normal_below_mm` of short axis on.
    """
    certain = {
        lesion.id
        for later in from_then_on
        for lesion in later.new_lesions
        if lesion.certainty is Certainty.UNEQUIVOCAL and _is_pathological(rules, lesion)
    }
    return tuple(
        lesion for lesion in assessment.new_lesions if lesion.id in certain and _is_pathological(rules, lesion)
    )


def _is_pathological(rules: RecistRules, lesion: NewLesion) -> bool:
    return not lesion.nodal or lesion.short_axis_mm is None or lesion.short_axis_mm >= rules.node_normal_below_mm


def _about_new_lesions(assessment: TumourAssessment, counting: tuple[NewLesion, ...]) -> str:
    if counting:
        return f"new: {', '.join(f'{lesion.id} ({lesion.organ})' for lesion in counting)}"
    if assessment.new_lesions:
        doubtful = ", ".join(f"{lesion.id} ({lesion.organ})" for lesion in assessment.new_lesions)
        return f"no unequivocal new lesion, to be followed: {doubtful}"
    return "no new lesion"


# All together


def overall_response(target: Response | None, non_target: Response | None, *, new_lesion: bool) -> Response:
    """Combine the three (Eisenhauer, tables 1 and 2; docs/domain.md, section 5); none is no such disease."""
    if new_lesion or Response.PD in {target, non_target}:
        return Response.PD
    if target is None:
        return Response.NE if non_target is None else non_target
    if target is Response.CR and non_target not in {None, Response.CR}:
        return Response.PR
    return target


def _relapse(
    rules: RecistRules,
    baseline: BaselineAssessment,
    earlier: tuple[TimepointResponse, ...],
    assessment: TumourAssessment,
) -> tuple[str, ...]:
    """After a confirmed CR, any lesion that is seen again is progression (EORTC RECIST questions)."""
    targets_gone = _is_gone(rules, baseline, _sizes(rules, baseline, assessment))
    non_targets_gone = NonTargetStatus.PRESENT not in _statuses(baseline, assessment)
    confirmed = first_confirmed(rules, Response.CR, earlier)
    if confirmed is None or (targets_gone and non_targets_gone):
        return ()
    return (f"disease seen again after the CR confirmed on {confirmed.confirmed_on}",)
