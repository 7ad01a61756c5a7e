"""Refusals about lesions, at baseline and at later assessments, by RECIST 1.1 (Eisenhauer EJC 2009;45:228-247)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from schemas.problem import Problem, ProblemType
from schemas.response.tumour import (
    NewLesion,
    NonTargetLesion,
    NonTargetObservation,
    Organ,
    RecistRules,
    TargetLesion,
    TargetMeasurement,
    in_mm,
)

MM_PER_CM = 10

# Baseline


def no_baseline() -> Problem:
    """Lesions are measured although the baseline was never reported."""
    return _invalid(
        "answer.assessment", "lesions", "there is no baseline to hold them against", "the overall response alone"
    )


def baseline_out_of_window(rules: RecistRules, assessed_on: date, earliest: date, latest: date) -> Problem:
    """The baseline lies too long before the start of treatment, or after it."""
    rule = f"the baseline lies within {rules.baseline_within_days} days before the start of treatment"
    return _out_of_range("assessed_on", assessed_on.isoformat(), rule, f"{earliest} to {latest}")


def no_lesion() -> Problem:
    """The baseline has no lesion."""
    return _invalid(
        "targets",
        "(none)",
        "a baseline without a lesion leaves nothing to follow",
        "at least one target or non-target lesion",
    )


def lesion_listed_twice(form: str, lesion: str, count: int) -> Problem:
    """An id has more than one entry in a list of lesions; `form` is the list's name."""
    return _invalid(f"{form}.{lesion}", f"{count} times", "a lesion has one id and one entry", "once")


def too_many_targets(where: str, count: int, maximum: int) -> Problem:
    """There are more targets than RECIST measures, 'in all' or in one organ."""
    rule = f"at most {maximum} targets {where}; all others are non-target lesions"
    return _out_of_range("targets", f"{count} targets", rule, f"at most {maximum}")


def target_in_centimetres(rules: RecistRules, target: TargetLesion) -> Problem:
    """The diameter of a target is so small that it was probably given in centimetres."""
    return Problem(
        type=ProblemType.WRONG_UNIT,
        field=f"targets.{target.id}.diameter_mm",
        value=in_mm(target.diameter_mm),
        rule=f"a target below {in_mm(rules.plausible_minimum_mm)} looks like centimetres",
        expected=f"millimetres: {in_mm(target.diameter_mm * MM_PER_CM)}, if it was measured in centimetres",
    )


def target_not_measurable(target: TargetLesion, minimum_mm: Decimal) -> Problem:
    """A target is smaller than the size (mm) from which such a lesion is measurable."""
    thickness = "" if target.slice_thickness_mm is None else f" in slices of {in_mm(target.slice_thickness_mm)}"
    axis = "short axis of a lymph node" if target.nodal else "longest diameter"
    rule = f"a target is measurable: {axis} by {target.method}{thickness} from {in_mm(minimum_mm)} on"
    expected = f"at least {in_mm(minimum_mm)}, or a non-target lesion"
    return _out_of_range(f"targets.{target.id}.diameter_mm", in_mm(target.diameter_mm), rule, expected)


def target_irradiated(target: TargetLesion) -> Problem:
    """A target was irradiated and has not progressed since."""
    return _invalid(
        f"targets.{target.id}.irradiated",
        "true",
        "an irradiated lesion is measurable only if it has progressed since",
        "progressed_since_irradiation true, or a non-target lesion",
    )


def node_of_normal_size(rules: RecistRules, lesion: NonTargetLesion, short_axis_mm: Decimal) -> Problem:
    """A non-target lymph node is of normal size."""
    return _out_of_range(
        f"non_targets.{lesion.id}.short_axis_mm",
        in_mm(short_axis_mm),
        "a lymph node of normal size is no lesion",
        f"at least {in_mm(rules.node_normal_below_mm)}",
    )


# Later assessments


def not_after_earlier(assessed_on: date, latest: date) -> Problem:
    """An assessment is not later than the one before it."""
    rule = "assessments are reported in the order of their dates, one a day"
    return _out_of_range("assessed_on", assessed_on.isoformat(), rule, f"after {latest}")


def lesion_missing(form: str, lesion: str, expected: str) -> Problem:
    """A lesion of the baseline is not in the assessment."""
    rule = "every lesion of the baseline is reported at every assessment"
    return _invalid(f"{form}.{lesion}", "(none)", rule, f"{expected} ('not_evaluable' if it could not be seen)")


def unknown_lesion(form: str, found: TargetMeasurement | NonTargetObservation, known: Iterable[str]) -> Problem:
    """The assessment has a lesion that the baseline does not have; `known` are the ids of those that it has."""
    rule = f"the baseline has no such lesion among its {form}"
    return _invalid(f"{form}.{found.lesion}", found.organ, rule, f"{', '.join(known) or 'none'}, or a new lesion")


def organ_changed(field: str, organ: Organ, before: Organ) -> Problem:
    """A lesion is in another organ than before."""
    return _invalid(field, organ, "a lesion stays in its organ", f"{before}, as before, or another lesion's id")


def merged_with_unknown(lesion: str, merged_with: str, others: Iterable[str]) -> Problem:
    """A target merged with a lesion that is not measured; `others` are the targets that are."""
    return _invalid(
        f"targets.{lesion}.merged_with",
        merged_with,
        "lesions that merged are measured together under the id of one of them",
        f"another target of this assessment that is not merged itself: {', '.join(others) or 'none'}",
    )


def status_contradicts_size(rules: RecistRules, observation: NonTargetObservation, short_axis_mm: Decimal) -> Problem:
    """A lymph node of normal size is present, or a larger one absent."""
    normal = short_axis_mm < rules.node_normal_below_mm
    return _invalid(
        f"non_targets.{observation.lesion}.status",
        f"{observation.status} with a short axis of {in_mm(short_axis_mm)}",
        f"a lymph node is normal, and so absent, below {in_mm(rules.node_normal_below_mm)}",
        "absent" if normal else "present, or unequivocal_progression",
    )


def lesion_not_new(lesion: NewLesion) -> Problem:
    """A new lesion has the id of a lesion of the baseline."""
    return _invalid(
        f"new_lesions.{lesion.id}",
        lesion.organ,
        "the baseline has a lesion of this id: it is not new",
        "an id that the baseline does not use",
    )


def new_node_not_measured(lesion: NewLesion) -> Problem:
    """A new lymph node has no short axis."""
    return _invalid(
        f"new_lesions.{lesion.id}.short_axis_mm",
        "(none)",
        "whether a lymph node is a new lesion depends on its short axis",
        "the short axis in mm",
    )


def sizes_in_centimetres(sizes: str) -> Problem:
    """All targets are about a tenth of their last sizes; `sizes` are both, in words."""
    return _wrong_unit(sizes, "all targets are about a tenth of what they measured last, as centimetres would be")


def last_sizes_in_centimetres(sizes: str) -> Problem:
    """All targets are about ten times their last sizes; `sizes` are both, in words."""
    return _wrong_unit(sizes, "all targets are about ten times what they measured last, as if that was centimetres")


def _wrong_unit(sizes: str, rule: str) -> Problem:
    return Problem(
        type=ProblemType.WRONG_UNIT,
        field="targets",
        value=sizes,
        rule=rule,
        expected="millimetres; confirmed_in_mm true if they were looked at again and are right",
    )


def _invalid(field: str, value: str, rule: str, expected: str) -> Problem:
    return Problem(type=ProblemType.INVALID_INPUT, field=field, value=value, rule=rule, expected=expected)


def _out_of_range(field: str, value: str, rule: str, expected: str) -> Problem:
    return Problem(type=ProblemType.OUT_OF_RANGE, field=field, value=value, rule=rule, expected=expected)
