"""Small makers of tumour assessments; lesions 'T..' are in the liver, 'L..' are lymph nodes, 'N..' are non-target."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from schemas.response.tumour import (
    BaselineAssessment,
    Certainty,
    Method,
    NewLesion,
    NonTargetLesion,
    NonTargetObservation,
    NonTargetStatus,
    Organ,
    RecistRules,
    Response,
    TargetLesion,
    TargetMeasurement,
    TargetState,
    TimepointResponse,
    TumourAssessment,
)

DAY_0 = date(2026, 3, 2)
RULES = RecistRules(
    measurable_minimum_mm=Decimal(10),
    chest_xray_minimum_mm=Decimal(20),
    node_measurable_minimum_mm=Decimal(15),
    node_normal_below_mm=Decimal(10),
    thick_slice_above_mm=Decimal(5),
    thick_slice_multiple=Decimal(2),
    too_small_to_measure_mm=Decimal(5),
    plausible_minimum_mm=Decimal(5),
    unit_slip_tolerance_percent=Decimal(20),
    maximum_targets=5,
    maximum_targets_per_organ=2,
    baseline_within_days=28,
    progression_percent=Decimal(20),
    progression_absolute_mm=Decimal(5),
    partial_response_percent=Decimal(30),
    confirmed_partial_response_continues=True,
    confirmation_days=28,
    maximum_not_evaluable_between=1,
    maximum_stable_between=0,
    minimum_stable_days=42,
)
"""RECIST 1.1 as it was published, with confirmation."""

Size = str | int | tuple[str, ...]
"""A size in mm, the parts of a lesion that split, or a word: 'NE', 'small', or '>T01' for merged with T01."""


def changed(**changes: object) -> RecistRules:
    """Make rules with changes."""
    return RULES.model_copy(update=changes)


def on_day(day: int) -> date:
    """Return the date of a day of treatment."""
    return DAY_0 + timedelta(days=day)


def organ_of(lesion: str) -> Organ:
    """Return the organ that a lesion's id stands for."""
    return Organ.LYMPH_NODE if lesion.startswith("L") else Organ.BONE if lesion.startswith("N") else Organ.LIVER


def target(lesion: str, size: Size | Decimal, **changes: object) -> TargetLesion:
    """Make a target at baseline."""
    made = TargetLesion(id=lesion, organ=organ_of(lesion), diameter_mm=Decimal(str(size)), method=Method.CT)
    return made.model_copy(update=changes)


def baseline(
    sizes: Mapping[str, Size] | None = None, non_targets: Sequence[str] = (), day: int = -7
) -> BaselineAssessment:
    """Make a baseline from the sizes of targets and the ids of the other lesions."""
    return BaselineAssessment(
        assessed_on=on_day(day),
        targets=tuple(target(lesion, size) for lesion, size in (sizes or {}).items()),
        non_targets=tuple(NonTargetLesion(id=lesion, organ=organ_of(lesion)) for lesion in non_targets),
    )


def measured(lesion: str, size: Size) -> TargetMeasurement:
    """Make a target's measurement."""
    if size == "NE":
        return TargetMeasurement(lesion=lesion, organ=organ_of(lesion), state=TargetState.NOT_EVALUABLE)
    if size == "small":
        return TargetMeasurement(lesion=lesion, organ=organ_of(lesion), state=TargetState.TOO_SMALL_TO_MEASURE)
    if isinstance(size, str) and size.startswith(">"):
        return TargetMeasurement(
            lesion=lesion, organ=organ_of(lesion), state=TargetState.MERGED, merged_with=size.removeprefix(">")
        )
    parts = size if isinstance(size, tuple) else (str(size),)
    return TargetMeasurement(lesion=lesion, organ=organ_of(lesion), diameters_mm=tuple(Decimal(part) for part in parts))


def seen(lesion: str, status: NonTargetStatus, short_axis: str | None = None) -> NonTargetObservation:
    """Make a non-target lesion's observation."""
    return NonTargetObservation(
        lesion=lesion,
        organ=organ_of(lesion),
        status=status,
        short_axis_mm=None if short_axis is None else Decimal(short_axis),
    )


def new(
    lesion: str = "NEW01", *, certain: bool = True, node: str | None = None, organ: Organ = Organ.LUNG
) -> NewLesion:
    """Make a new lesion, a lymph node if `node` tells its short axis."""
    return NewLesion(
        id=lesion,
        organ=organ if node is None else Organ.LYMPH_NODE,
        certainty=Certainty.UNEQUIVOCAL if certain else Certainty.EQUIVOCAL,
        short_axis_mm=None if node is None else Decimal(node),
    )


def assessment(
    day: int,
    sizes: Mapping[str, Size] | None = None,
    non_targets: dict[str, NonTargetStatus] | None = None,
    new_lesions: Sequence[NewLesion] = (),
    **changes: object,
) -> TumourAssessment:
    """Make an assessment on a day of treatment."""
    made = TumourAssessment(
        assessed_on=on_day(day),
        targets=tuple(measured(lesion, size) for lesion, size in (sizes or {}).items()),
        non_targets=tuple(seen(lesion, status) for lesion, status in (non_targets or {}).items()),
        new_lesions=tuple(new_lesions),
    )
    return made.model_copy(update=changes)


def point(day: int, overall: Response | str) -> TimepointResponse:
    """Make a timepoint response of which only day and overall response matter."""
    return TimepointResponse(assessed_on=on_day(day), overall=Response(overall), why="")


def course(text: str) -> tuple[TimepointResponse, ...]:
    """Make timepoint responses from text such as '56 PR, 84 PR'."""
    entries = [entry.split() for entry in text.split(",") if entry.strip()]
    return tuple(point(int(day), overall) for day, overall in entries)
