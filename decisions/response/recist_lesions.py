"""
What makes a later tumour assessment malformed: it contradicts the baseline, an earlier one, or the unit.

Every problem is returned at once, in the order of the form, and none if the assessment can be judged (Eisenhauer EJC
2009;45:228-247).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from decisions.response.recist_baseline import MM_PER_CM, told_twice
from schemas.problem import Problem, ProblemType
from schemas.response.tumour import (
    BaselineAssessment,
    Lesion,
    NewLesion,
    NonTargetObservation,
    NonTargetStatus,
    Organ,
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

    It is later than all of them, tells of every lesion of the baseline and of no other (but new ones), each in its own
    organ, and its values are millimetres.
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
        yield Problem(
            type=ProblemType.OUT_OF_RANGE,
            field="assessed_on",
            value=assessment.assessed_on.isoformat(),
            rule="assessments are told in the order of their dates, one a day",
            expected=f"after {latest}",
        )


def _targets(baseline: BaselineAssessment, assessment: TumourAssessment) -> Iterator[Problem]:
    known = {target.id: target for target in baseline.targets}
    told = [measurement.lesion for measurement in assessment.targets]
    yield from told_twice("targets", told)
    yield from _missing("targets", [lesion for lesion in known if lesion not in told], "a measurement, or its state")
    for measurement in assessment.targets:
        yield from _changed("targets", known, measurement)
        yield from _merged_wrongly(assessment, measurement)


def _non_targets(rules: RecistRules, baseline: BaselineAssessment, assessment: TumourAssessment) -> Iterator[Problem]:
    known = {lesion.id: lesion for lesion in baseline.non_targets}
    told = [observation.lesion for observation in assessment.non_targets]
    yield from told_twice("non_targets", told)
    if assessment.non_target_overall is None:
        yield from _missing(
            "non_targets", [lesion for lesion in known if lesion not in told], "a status, or non_target_overall"
        )
    for observation in assessment.non_targets:
        yield from _changed("non_targets", known, observation)
        yield from _size_contradicts(rules, observation)


def _missing(form: str, lesions: Sequence[str], expected: str) -> Iterator[Problem]:
    for lesion in lesions:
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field=f"{form}.{lesion}",
            value="(none)",
            rule="every lesion of the baseline is told of at every assessment",
            expected=f"{expected} ('not_evaluable' if it could not be seen)",
        )


def _changed(
    form: str, known: Mapping[str, Lesion], told: TargetMeasurement | NonTargetObservation
) -> Iterator[Problem]:
    lesion = known.get(told.lesion)
    if lesion is None:
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field=f"{form}.{told.lesion}",
            value=told.organ,
            rule=f"the baseline has no such lesion among its {form}",
            expected=f"{', '.join(known) or 'none'}, or a new lesion",
        )
    elif lesion.organ is not told.organ:
        yield _moved(f"{form}.{told.lesion}.organ", told.organ, lesion.organ)


def _moved(field: str, organ: Organ, before: Organ) -> Problem:
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field=field,
        value=organ,
        rule="a lesion stays in its organ",
        expected=f"{before}, as before, or another lesion's id",
    )


def _merged_wrongly(assessment: TumourAssessment, measurement: TargetMeasurement) -> Iterator[Problem]:
    if measurement.merged_with is None:
        return
    others = [
        other.lesion
        for other in assessment.targets
        if other.lesion != measurement.lesion and other.state is not TargetState.MERGED
    ]
    if measurement.merged_with not in others:
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field=f"targets.{measurement.lesion}.merged_with",
            value=measurement.merged_with,
            rule="lesions that merged are measured together under the id of one of them",
            expected=f"another target of this assessment that is not merged itself: {', '.join(others) or 'none'}",
        )


def _size_contradicts(rules: RecistRules, observation: NonTargetObservation) -> Iterator[Problem]:
    size, status = observation.short_axis_mm, observation.status
    if size is None or status is NonTargetStatus.NOT_EVALUABLE:
        return
    normal = size < rules.node_normal_below_mm
    if normal != (status is NonTargetStatus.ABSENT):
        yield Problem(
            type=ProblemType.INVALID_INPUT,
            field=f"non_targets.{observation.lesion}.status",
            value=f"{status} with a short axis of {in_mm(size)}",
            rule=f"a lymph node is normal, and so absent, below {in_mm(rules.node_normal_below_mm)}",
            expected="absent" if normal else "present, or unequivocal_progression",
        )


def _new_lesions(
    baseline: BaselineAssessment, earlier: Sequence[TumourAssessment], assessment: TumourAssessment
) -> Iterator[Problem]:
    taken = {lesion.id for lesion in (*baseline.targets, *baseline.non_targets)}
    organs = {lesion.id: lesion.organ for before in earlier for lesion in before.new_lesions}
    yield from told_twice("new_lesions", [lesion.id for lesion in assessment.new_lesions])
    for lesion in assessment.new_lesions:
        before = organs.get(lesion.id, lesion.organ)
        if lesion.id in taken:
            yield _not_new(lesion)
        if before is not lesion.organ:
            yield _moved(f"new_lesions.{lesion.id}.organ", lesion.organ, before)
        if lesion.nodal and lesion.short_axis_mm is None:
            yield _unmeasured_node(lesion)


def _not_new(lesion: NewLesion) -> Problem:
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field=f"new_lesions.{lesion.id}",
        value=lesion.organ,
        rule="the baseline has a lesion of this id: it is not new",
        expected="an id that the baseline does not use",
    )


def _unmeasured_node(lesion: NewLesion) -> Problem:
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field=f"new_lesions.{lesion.id}.short_axis_mm",
        value="(none)",
        rule="whether a lymph node is a new lesion depends on its short axis",
        expected="the short axis in mm",
    )


# Units


def _centimetres(
    rules: RecistRules,
    baseline: BaselineAssessment,
    earlier: Sequence[TumourAssessment],
    assessment: TumourAssessment,
) -> Iterator[Problem]:
    # One small value alone is no sign, since lesions shrink; and whoever has looked again has said so.
    last = _last_sizes(baseline, earlier)
    sizes = _sizes(assessment)
    pairs = [(last[lesion], size) for lesion, size in sizes.items() if size and last.get(lesion)]
    if assessment.confirmed_in_mm or not pairs:
        return
    told = ", ".join(f"{in_mm(size)} after {in_mm(before)}" for before, size in pairs)
    if all(_is_near(rules, before, size * MM_PER_CM) for before, size in pairs):
        yield _unit_slip(told, "all targets are about a tenth of what they measured last, as centimetres would be")
    if all(_is_near(rules, before * MM_PER_CM, size) for before, size in pairs):
        yield _unit_slip(told, "all targets are about ten times what they measured last, as if that was centimetres")


def _unit_slip(told: str, rule: str) -> Problem:
    return Problem(
        type=ProblemType.WRONG_UNIT,
        field="targets",
        value=told,
        rule=rule,
        expected="millimetres; confirmed_in_mm true if they were looked at again and are right",
    )


def _is_near(rules: RecistRules, wanted: Decimal, size: Decimal) -> bool:
    return abs(size - wanted) <= wanted * rules.unit_slip_tolerance_percent / 100


def _last_sizes(baseline: BaselineAssessment, earlier: Sequence[TumourAssessment]) -> dict[str, Decimal]:
    last = {target.id: target.diameter_mm for target in baseline.targets}
    for before in sorted(earlier, key=lambda assessment: assessment.assessed_on):
        last |= _sizes(before)
    return last


def _sizes(assessment: TumourAssessment) -> dict[str, Decimal]:
    return {told.lesion: sum(told.diameters_mm, Decimal(0)) for told in assessment.targets if told.diameters_mm}
