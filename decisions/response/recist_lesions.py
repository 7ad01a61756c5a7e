"""
What makes a later tumour assessment malformed: it contradicts the baseline, an earlier one, or the unit.

Every problem is returned at once, in the order of the form, and none if the assessment can be judged (docs/domain.md,
section 5).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from decisions.response import refusals
from decisions.response.recist_baseline import listed_twice
from decisions.response.refusals import MM_PER_CM
from schemas.problem import Problem
from schemas.response.tumour import (
    BaselineAssessment,
    Lesion,
    NonTargetObservation,
    NonTargetStatus,
    RecistRules,
    TargetMeasurement,
    TargetState,
    TumourAssessment,
    in_mm,
)


def malformed_assessment(
    rules: RecistRules,
    baseline: BaselineAssessment,
    earlier: Sequence[TumourAssessment],
    assessment: TumourAssessment,
) -> tuple[Problem, ...]:
    """
    Check an assessment against the baseline and the earlier assessments.

    It is later than all of them, has every lesion of the baseline and no other (but new ones), each in its own organ,
    and its values are millimetres.
    """
    return (
        *_not_later(baseline, earlier, assessment),
        *_targets(baseline, assessment),
        *_non_targets(rules, baseline, assessment),
        *_new_lesions(baseline, earlier, assessment),
        *_centimetres(rules, baseline, earlier, assessment),
    )


# Lesions


def _not_later(
    baseline: BaselineAssessment, earlier: Sequence[TumourAssessment], assessment: TumourAssessment
) -> Iterator[Problem]:
    latest = max([baseline.assessed_on, *(before.assessed_on for before in earlier)])
    if assessment.assessed_on <= latest:
        yield refusals.not_after_earlier(assessment.assessed_on, latest)


def _targets(baseline: BaselineAssessment, assessment: TumourAssessment) -> Iterator[Problem]:
    known = {target.id: target for target in baseline.targets}
    listed = [measurement.lesion for measurement in assessment.targets]
    yield from listed_twice("targets", listed)
    yield from _missing("targets", [lesion for lesion in known if lesion not in listed], "a measurement, or its state")
    for measurement in assessment.targets:
        yield from _changed("targets", known, measurement)
        yield from _merged_wrongly(assessment, measurement)


def _non_targets(rules: RecistRules, baseline: BaselineAssessment, assessment: TumourAssessment) -> Iterator[Problem]:
    known = {lesion.id: lesion for lesion in baseline.non_targets}
    listed = [observation.lesion for observation in assessment.non_targets]
    yield from listed_twice("non_targets", listed)
    if assessment.non_target_overall is None:
        yield from _missing(
            "non_targets", [lesion for lesion in known if lesion not in listed], "a status, or non_target_overall"
        )
    for observation in assessment.non_targets:
        yield from _changed("non_targets", known, observation)
        yield from _size_contradicts(rules, observation)


def _missing(form: str, lesions: Sequence[str], expected: str) -> Iterator[Problem]:
    for lesion in lesions:
        yield refusals.lesion_missing(form, lesion, expected)


def _changed(
    form: str, known: Mapping[str, Lesion], found: TargetMeasurement | NonTargetObservation
) -> Iterator[Problem]:
    lesion = known.get(found.lesion)
    if lesion is None:
        yield refusals.unknown_lesion(form, found, known)
    elif lesion.organ is not found.organ:
        yield refusals.organ_changed(f"{form}.{found.lesion}.organ", found.organ, lesion.organ)


def _merged_wrongly(assessment: TumourAssessment, measurement: TargetMeasurement) -> Iterator[Problem]:
    if measurement.merged_with is None:
        return
    others = [
        other.lesion
        for other in assessment.targets
        if other.lesion != measurement.lesion and other.state is not TargetState.MERGED
    ]
    if measurement.merged_with not in others:
        yield refusals.merged_with_unknown(measurement.lesion, measurement.merged_with, others)


def _size_contradicts(rules: RecistRules, observation: NonTargetObservation) -> Iterator[Problem]:
    size, status = observation.short_axis_mm, observation.status
    if size is None or status is NonTargetStatus.NOT_EVALUABLE:
        return
    normal = size < rules.node_normal_below_mm
    if normal != (status is NonTargetStatus.ABSENT):
        yield refusals.status_contradicts_size(rules, observation, size)


def _new_lesions(
    baseline: BaselineAssessment, earlier: Sequence[TumourAssessment], assessment: TumourAssessment
) -> Iterator[Problem]:
    taken = {lesion.id for lesion in (*baseline.targets, *baseline.non_targets)}
    organs = {lesion.id: lesion.organ for before in earlier for lesion in before.new_lesions}
    yield from listed_twice("new_lesions", [lesion.id for lesion in assessment.new_lesions])
    for lesion in assessment.new_lesions:
        before = organs.get(lesion.id, lesion.organ)
        if lesion.id in taken:
            yield refusals.lesion_not_new(lesion)
        if before is not lesion.organ:
            yield refusals.organ_changed(f"new_lesions.{lesion.id}.organ", lesion.organ, before)
        if lesion.nodal and lesion.short_axis_mm is None:
            yield refusals.new_node_not_measured(lesion)


# Units


def _centimetres(
    rules: RecistRules,
    baseline: BaselineAssessment,
    earlier: Sequence[TumourAssessment],
    assessment: TumourAssessment,
) -> Iterator[Problem]:
    # One small value alone is no sign, since lesions shrink; `confirmed_in_mm` is the sender's confirmation.
    last = _last_sizes(baseline, earlier)
    sizes = _sizes(assessment)
    pairs = [(last[lesion], size) for lesion, size in sizes.items() if size and last.get(lesion)]
    if assessment.confirmed_in_mm or not pairs:
        return
    pairs_in_words = ", ".join(f"{in_mm(size)} after {in_mm(before)}" for before, size in pairs)
    if all(_is_near(rules, before, size * MM_PER_CM) for before, size in pairs):
        yield refusals.sizes_in_centimetres(pairs_in_words)
    if all(_is_near(rules, before * MM_PER_CM, size) for before, size in pairs):
        yield refusals.last_sizes_in_centimetres(pairs_in_words)


def _is_near(rules: RecistRules, wanted: Decimal, size: Decimal) -> bool:
    return abs(size - wanted) <= wanted * rules.unit_slip_tolerance_percent / 100


def _last_sizes(baseline: BaselineAssessment, earlier: Sequence[TumourAssessment]) -> dict[str, Decimal]:
    last = {target.id: target.diameter_mm for target in baseline.targets}
    for before in sorted(earlier, key=lambda assessment: assessment.assessed_on):
        last |= _sizes(before)
    return last


def _sizes(assessment: TumourAssessment) -> dict[str, Decimal]:
    return {target.lesion: sum(target.diameters_mm, Decimal(0)) for target in assessment.targets if target.diameters_mm}
