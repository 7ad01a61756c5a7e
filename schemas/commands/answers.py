"""
What people answer to tasks, one model per kind of task.

Every answer has `happened_on`, the calendar day of what it reports.
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.base import Frozen
from schemas.response.tumour import BaselineAssessment, TumourAssessment
from schemas.screening.eligibility import EligibilityForm, Laboratory, PregnancyTest
from schemas.screening.panel import SampleResult, SampleType
from schemas.treatment.support import DoseUnit

Grade = Annotated[int, Field(ge=0, le=5)]


class BiopsyDone(Frozen):
    """A sample was taken, or could not be."""

    kind: Literal["biopsy"] = "biopsy"
    collected_on: date
    sample: SampleType
    collected: bool = True

    @property
    def happened_on(self) -> date:
        """The day of the biopsy."""
        return self.collected_on


class PanelReported(Frozen):
    """The laboratory's report on every sample taken so far, and the investigator's judgement of heterogeneity."""

    kind: Literal["antigen_panel"] = "antigen_panel"
    reported_on: date
    samples: tuple[SampleResult, ...] = Field(min_length=1)
    high_heterogeneity_risk: bool = False
    heterogeneity_rationale: str | None = None

    @property
    def happened_on(self) -> date:
        """The day of the laboratory's report."""
        return self.reported_on

    @model_validator(mode="after")
    def _judgement_is_explained(self) -> Self:
        if self.high_heterogeneity_risk and not self.heterogeneity_rationale:
            raise ValueError("heterogeneity_rationale is required when high_heterogeneity_risk is true")
        return self


class TreatmentCheck(Frozen):
    """The re-check before lymphodepletion or an infusion."""

    kind: Literal["treatment_check"] = "treatment_check"
    checked_on: date
    ecog: int = Field(ge=0, le=5)
    uncontrolled_infection: bool
    pregnancy_test: PregnancyTest
    prednisone_mg_per_day: float = Field(ge=0, le=2000)
    temperature_celsius: float = Field(ge=30, le=44)
    oxygen_saturation_percent: float = Field(ge=30, le=100)
    crs_grade: Grade = 0
    icans_grade: Grade = 0
    active_gvhd: bool = False
    laboratory: dict[str, Laboratory] = Field(default_factory=dict)

    @property
    def happened_on(self) -> date:
        """The day of the check."""
        return self.checked_on


class LymphodepletionGiven(Frozen):
    """One day of lymphodepletion."""

    kind: Literal["lymphodepletion"] = "lymphodepletion"
    given_at: AwareDatetime
    fludarabine_mg_per_m2: float = Field(ge=0, le=200)
    cyclophosphamide_mg_per_m2: float = Field(ge=0, le=5000)

    @property
    def happened_on(self) -> date:
        """The day of the doses, in the site's own time zone."""
        return self.given_at.date()


class InfusionGiven(Frozen):
    """One CAR-NK infusion, by unit and viable CAR-positive cells."""

    kind: Literal["infusion"] = "infusion"
    started_at: AwareDatetime
    unit_id: str
    million_cells: float = Field(ge=0, le=1e6)
    infusion_reaction_grade: Grade = 0

    @property
    def happened_on(self) -> date:
        """The day of the infusion, in the site's own time zone."""
        return self.started_at.date()


class CytokineCourse(Frozen):
    """The cytokine course after an infusion; zero administrations with a reason is an answer too."""

    kind: Literal["cytokine_course"] = "cytokine_course"
    administered_on: tuple[date, ...] = ()
    million_units_per_m2: float = Field(default=0, ge=0, le=1000)
    not_given_reason: str | None = None
    agent: str | None = Field(default=None, description="The protocol's first agent if left out.")
    dose: float | None = Field(default=None, ge=0, le=1e6, description="In `unit`; else see million_units_per_m2.")
    unit: DoseUnit | None = None

    @property
    def happened_on(self) -> date:
        """The day of the last administration; the first day of all where nothing was given."""
        return max(self.administered_on, default=date.min)

    @model_validator(mode="after")
    def _none_needs_a_reason(self) -> Self:
        if not self.administered_on and not self.not_given_reason:
            raise ValueError("not_given_reason is required when nothing was administered")
        return self


class SafetyVisit(Frozen):
    """A safety visit; the one on the DLT window's last day completes the observation."""

    kind: Literal["safety"] = "safety"
    visited_on: date
    crs_grade: Grade = 0
    icans_grade: Grade = 0
    gvhd_grade: int = Field(default=0, ge=0, le=4)

    @property
    def happened_on(self) -> date:
        """The day of the visit."""
        return self.visited_on


class ImagingDone(Frozen):
    """A tumour assessment; the response is the investigator's by RECIST 1.1."""

    kind: Literal["imaging"] = "imaging"
    scanned_on: date
    response: Literal["CR", "PR", "SD", "PD", "NE"] | None = None
    assessment: TumourAssessment | None = Field(default=None, description="The lesions, by RECIST 1.1.")

    @property
    def happened_on(self) -> date:
        """The day of the scan."""
        return self.scanned_on

    @model_validator(mode="after")
    def _has_a_response(self) -> Self:
        if self.response is None and self.assessment is None:
            raise ValueError("response or assessment is required")
        if self.assessment is not None and self.assessment.assessed_on != self.scanned_on:
            raise ValueError("assessment.assessed_on must be scanned_on")
        return self


class StudyEnded(Frozen):
    """The last visit."""

    kind: Literal["end_of_study"] = "end_of_study"
    visited_on: date
    alive: bool

    @property
    def happened_on(self) -> date:
        """The day of the visit."""
        return self.visited_on


class BaselineImaging(Frozen):
    """The lesions before treatment, by RECIST 1.1."""

    kind: Literal["baseline_imaging"] = "baseline_imaging"
    baseline: BaselineAssessment

    @property
    def happened_on(self) -> date:
        """The day of the scan."""
        return self.baseline.assessed_on


class DltAdjudication(Frozen):
    """The investigator's judgement of a candidate; that it is not dose-limiting needs a rationale."""

    kind: Literal["dlt_adjudication"] = "dlt_adjudication"
    event_id: str
    dose_limiting: bool
    adjudicated_on: date
    rationale: str | None = Field(default=None, max_length=2000)

    @property
    def happened_on(self) -> date:
        """The day of the judgement."""
        return self.adjudicated_on

    @model_validator(mode="after")
    def _no_is_explained(self) -> Self:
        if not self.dose_limiting and not (self.rationale or "").strip():
            raise ValueError("rationale is required when dose_limiting is false")
        return self


class GradeQueryAnswered(Frozen):
    """The grade that is right when the reported and the computed one differ; a change of grade is an amendment."""

    kind: Literal["grade_query"] = "grade_query"
    event_id: str
    grade: int = Field(ge=1, le=5)
    answered_on: date
    explanation: str = Field(min_length=3, max_length=2000)

    @property
    def happened_on(self) -> date:
        """The day of the answer."""
        return self.answered_on


class SaeReported(Frozen):
    """A serious adverse event was reported to the sponsor."""

    kind: Literal["sae_report"] = "sae_report"
    event_id: str
    reported_at: AwareDatetime
    reference: str = Field(min_length=1, max_length=120)

    @property
    def happened_on(self) -> date:
        """The day of the report, as written by the sender."""
        return self.reported_at.date()


class SusarReported(Frozen):
    """The sponsor reported a suspected unexpected serious adverse reaction to the authority."""

    kind: Literal["susar_report"] = "susar_report"
    event_id: str
    reported_at: AwareDatetime
    reference: str = Field(min_length=1, max_length=120)

    @property
    def happened_on(self) -> date:
        """The day of the report, as written by the sender."""
        return self.reported_at.date()


class RetreatmentDecided(Frozen):
    """Whether a further cycle that the rules offer is given."""

    kind: Literal["retreatment"] = "retreatment"
    decided_on: date
    accepted: bool
    rationale: str | None = Field(default=None, max_length=2000)

    @property
    def happened_on(self) -> date:
        """The day of the decision."""
        return self.decided_on


Answer = Annotated[
    BiopsyDone
    | PanelReported
    | EligibilityForm
    | TreatmentCheck
    | LymphodepletionGiven
    | InfusionGiven
    | CytokineCourse
    | SafetyVisit
    | ImagingDone
    | StudyEnded
    | BaselineImaging
    | DltAdjudication
    | GradeQueryAnswered
    | SaeReported
    | SusarReported
    | RetreatmentDecided,
    Field(discriminator="kind"),
]
