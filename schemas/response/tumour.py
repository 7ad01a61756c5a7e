"""
Tumour measurements and responses by RECIST 1.1 (Eisenhauer EJC 2009;45:228-247), with the names of CDISC TU, TR and RS.

Lengths are millimetres with at most one decimal, as `Decimal`: a threshold that is met exactly is met.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Frozen

Millimetres = Annotated[Decimal, Field(ge=0, le=500, decimal_places=1, description="Millimetres, to the tenth.")]
LesionId = Annotated[str, Field(pattern=r"^[A-Z]{1,4}[0-9]{1,3}$", description="Such as 'T01', 'NT01' or 'NEW01'.")]
Days = Annotated[int, Field(ge=0, le=3650)]
PositiveMillimetres = Annotated[Decimal, Field(gt=0, le=500)]


class Response(StrEnum):
    """A response by RECIST 1.1 (CDISC RSSTRESC); the values are those of `ImagingDone.response`."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    NON_CR_NON_PD = "NON-CR/NON-PD"
    PD = "PD"
    NE = "NE"


class LesionKind(StrEnum):
    """Whether a lesion of the baseline is measured at each assessment, or judged by its appearance."""

    TARGET = "TARGET"
    NON_TARGET = "NON-TARGET"


class Organ(StrEnum):
    """Where a lesion lies. A paired organ is one organ, and so are all lymph nodes (EORTC RECIST questions)."""

    ADRENAL_GLAND = "adrenal_gland"
    BLADDER = "bladder"
    BONE = "bone"
    BRAIN = "brain"
    BREAST = "breast"
    COLON_OR_RECTUM = "colon_or_rectum"
    HEAD_AND_NECK = "head_and_neck"
    KIDNEY = "kidney"
    LIVER = "liver"
    LUNG = "lung"
    LYMPH_NODE = "lymph_node"
    MEDIASTINUM = "mediastinum"
    OESOPHAGUS = "oesophagus"
    OVARY = "ovary"
    PANCREAS = "pancreas"
    PERITONEUM = "peritoneum"
    PLEURA = "pleura"
    PROSTATE = "prostate"
    SKIN = "skin"
    SOFT_TISSUE = "soft_tissue"
    SPLEEN = "spleen"
    STOMACH = "stomach"
    THYROID = "thyroid"
    UTERUS = "uterus"
    OTHER = "other"


class Method(StrEnum):
    """How a lesion is measured (CDISC TUMETHOD)."""

    CT = "CT"
    MRI = "MRI"
    CALLIPER = "CALLIPER"
    CHEST_XRAY = "CHEST X-RAY"


class Lesion(Frozen):
    """What identifies a lesion at every assessment."""

    id: LesionId
    organ: Organ
    location: str | None = Field(default=None, max_length=120, description="Where in the organ, in words.")

    @property
    def nodal(self) -> bool:
        """Whether it is a lymph node: then its short axis counts, not its longest diameter."""
        return self.organ is Organ.LYMPH_NODE


class TargetLesion(Lesion):
    """A target at baseline. `diameter_mm` is the longest diameter, of a lymph node the short axis."""

    kind: Literal[LesionKind.TARGET] = LesionKind.TARGET
    diameter_mm: Millimetres
    method: Method
    slice_thickness_mm: PositiveMillimetres | None = Field(default=None, description="Of CT or MRI.")
    irradiated: bool = False
    progressed_since_irradiation: bool = False


class NonTargetLesion(Lesion):
    """Any other lesion at baseline; the short axis is given for a lymph node that was measured."""

    kind: Literal[LesionKind.NON_TARGET] = LesionKind.NON_TARGET
    short_axis_mm: Millimetres | None = None


class BaselineAssessment(Frozen):
    """The assessment before treatment that all later ones are compared with."""

    assessed_on: date
    targets: tuple[TargetLesion, ...] = ()
    non_targets: tuple[NonTargetLesion, ...] = ()


class TargetState(StrEnum):
    """What became of a target; one that is gone is measured as 0 mm."""

    MEASURED = "measured"
    TOO_SMALL_TO_MEASURE = "too_small_to_measure"
    MERGED = "merged"
    NOT_EVALUABLE = "not_evaluable"


class TargetMeasurement(Frozen):
    """
    A target at a later assessment.

    `diameters_mm` holds one value, or one for each part of a lesion that split. A lesion that merged with another is
    measured under the other's id, which `merged_with` names.
    """

    lesion: LesionId
    organ: Organ
    state: TargetState = TargetState.MEASURED
    diameters_mm: tuple[Millimetres, ...] = ()
    merged_with: LesionId | None = None

    @model_validator(mode="after")
    def _state_and_values_agree(self) -> Self:
        if (self.state is TargetState.MEASURED) != bool(self.diameters_mm):
            raise ValueError("diameters_mm: given exactly when the state is 'measured' (0 for a lesion that is gone)")
        if (self.state is TargetState.MERGED) != (self.merged_with is not None):
            raise ValueError("merged_with: given exactly when the state is 'merged'")
        return self


class NonTargetStatus(StrEnum):
    """The appearance of a non-target lesion; a lymph node of normal size is absent."""

    ABSENT = "absent"
    PRESENT = "present"
    UNEQUIVOCAL_PROGRESSION = "unequivocal_progression"
    NOT_EVALUABLE = "not_evaluable"


class NonTargetObservation(Frozen):
    """A non-target lesion at a later assessment."""

    lesion: LesionId
    organ: Organ
    status: NonTargetStatus
    short_axis_mm: Millimetres | None = Field(default=None, description="Of a lymph node that was measured.")


class Certainty(StrEnum):
    """Whether a new lesion is tumour without doubt."""

    UNEQUIVOCAL = "unequivocal"
    EQUIVOCAL = "equivocal"


class NewLesion(Lesion):
    """A lesion that the baseline did not show; it keeps its id at later assessments."""

    certainty: Certainty
    short_axis_mm: Millimetres | None = Field(default=None, description="Required of a lymph node.")


class TumourAssessment(Frozen):
    """
    An assessment after baseline.

    `non_target_overall` is the reader's judgement of all non-target disease together, instead of or beside the single
    lesions; the worse counts. `tumour_markers_normal` is none where no marker is followed.
    `confirmed_in_mm` is true when values that seemed to be centimetres were checked again.
    """

    assessed_on: date
    targets: tuple[TargetMeasurement, ...] = ()
    non_targets: tuple[NonTargetObservation, ...] = ()
    non_target_overall: NonTargetStatus | None = None
    new_lesions: tuple[NewLesion, ...] = ()
    tumour_markers_normal: bool | None = None
    confirmed_in_mm: bool = False


class TimepointResponse(Frozen):
    """
    What an assessment means.

    `target` and `non_target` are none where the baseline has no such disease. `sum_mm` is none unless every target was
    measured; `nadir_mm` is the smallest sum before this assessment, the baseline's included. `new_lesion` is true when
    an unequivocal new lesion counts.
    """

    assessed_on: date
    target: Response | None = None
    non_target: Response | None = None
    new_lesion: bool = False
    overall: Response
    sum_mm: Decimal | None = None
    nadir_mm: Decimal | None = None
    why: str


class BestResponse(Frozen):
    """
    The best overall response so far, and its dates.

    `on` is the day of the assessment that gives it. `responded_on` is the first CR or PR that was confirmed,
    `confirmed_on` the assessment that confirmed the best response. `duration_days` runs from `responded_on` to
    progression or death, and if `duration_censored` to the last evaluable assessment: the response goes on, or was not
    followed to its end. `review` names what in the data should be checked again.
    """

    response: Response
    confirmed: bool = False
    on: date | None = None
    responded_on: date | None = None
    confirmed_on: date | None = None
    progressed_on: date | None = None
    duration_days: int | None = None
    duration_censored: bool | None = None
    review: tuple[str, ...] = ()
    why: str


class RecistRules(Frozen):
    """
    RECIST 1.1 as a protocol applies it (docs/domain.md, section 5).

    Sizes are minima, inside; `node_normal_below_mm` is itself outside of normal. Percentages: progression is a rise
    above the nadir of at least `progression_percent` and `progression_absolute_mm`; partial response is a fall below
    baseline of at least `partial_response_percent`.
    """

    measurable_minimum_mm: PositiveMillimetres
    chest_xray_minimum_mm: PositiveMillimetres
    node_measurable_minimum_mm: PositiveMillimetres
    node_normal_below_mm: PositiveMillimetres
    thick_slice_above_mm: PositiveMillimetres
    thick_slice_multiple: Annotated[Decimal, Field(ge=1, le=5)] = Field(
        description="A lesion seen in slices above thick_slice_above_mm must be this many slices long."
    )
    too_small_to_measure_mm: PositiveMillimetres = Field(description="What counts for a target too small to measure.")
    plausible_minimum_mm: PositiveMillimetres = Field(description="A target below this at baseline is in centimetres.")
    unit_slip_tolerance_percent: Annotated[Decimal, Field(ge=0, lt=100)] = Field(
        description="How near to a tenth, or to ten times, of before all targets must be to look like centimetres."
    )
    maximum_targets: int = Field(ge=1, le=20)
    maximum_targets_per_organ: int = Field(ge=1, le=20)
    baseline_within_days: Days
    progression_percent: Annotated[Decimal, Field(gt=0, le=100)]
    progression_absolute_mm: PositiveMillimetres
    partial_response_percent: Annotated[Decimal, Field(gt=0, lt=100)]
    confirmed_partial_response_continues: bool = Field(
        description="A confirmed PR stays PR until progression (EORTC), rather than SD above the PR threshold."
    )
    confirmation_days: Days
    maximum_not_evaluable_between: int = Field(ge=0, le=10)
    maximum_stable_between: int = Field(ge=0, le=10)
    minimum_stable_days: Days

    @model_validator(mode="after")
    def _limits_ascend(self) -> Self:
        if self.node_normal_below_mm >= self.node_measurable_minimum_mm:
            raise ValueError("node_normal_below_mm must be below node_measurable_minimum_mm")
        if self.plausible_minimum_mm > self.measurable_minimum_mm:
            raise ValueError("plausible_minimum_mm must not be above measurable_minimum_mm")
        return self


def in_mm(length: Decimal) -> str:
    """Return a length in millimetres as text, such as '12.5 mm'."""
    return f"{length.normalize():f} mm"
