"""A participant's state."""

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import ArmId, Frozen
from schemas.commands.answers import DltAdjudication, InfusionGiven, PanelReported
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.protocol import ArmKind, ProtocolReference
from schemas.response.tumour import BaselineAssessment, BestResponse, TimepointResponse, TumourAssessment
from schemas.safety.reports import DltFinding, ReportRow
from schemas.safety.toxicity import ComputedGrade
from schemas.schedule.task import Task, TaskEnd
from schemas.screening.eligibility import EligibilityForm, EligibilityVerdict
from schemas.screening.panel import Antigen, AntigenProfile
from schemas.treatment.support import Deviation, SupportVerdict, ToxicityCheck

Target = tuple[Antigen, ...]


class Stage(StrEnum):
    """The stage of the schedule that a participant is in."""

    SCREENING = "screening"
    WAITING_FOR_SLOT = "waiting_for_slot"
    WAITING_FOR_PRODUCT = "waiting_for_product"
    LYMPHODEPLETION = "lymphodepletion"
    TREATMENT = "treatment"
    FOLLOW_UP = "follow_up"
    ENDED = "ended"


class Slot(Frozen):
    """A place in a cohort at a dose level."""

    arm: ArmId
    cohort: int = Field(ge=1)
    level: int = Field(ge=1)
    million_cells: float = Field(gt=0)
    first_of_cohort: bool = Field(default=False, description="The others are dosed only after its stagger days.")
    not_before: date | None = Field(default=None, description="The day of the latest event that opened the slot.")
    phase: Literal[1, 2] = 1


class Assignment(Frozen):
    """The arm and target chosen."""

    arm: ArmId
    arm_kind: ArmKind
    target: Target


class ParticipantState(Frozen):
    """One participant, folded from the facts."""

    study: str
    subject: str
    site: str
    protocol: ProtocolReference
    consent_signed_on: date
    age_years: int
    stage: Stage = Stage.SCREENING
    tasks: dict[str, Task] = Field(default_factory=dict, description="Open tasks by id.")
    closed: dict[str, TaskEnd] = Field(default_factory=dict, description="How each earlier task ended.")
    tasks_opened: int = 0
    biopsies: int = 0
    panel: PanelReported | None = None
    profile: AntigenProfile | None = None
    eligibility_form: EligibilityForm | None = None
    eligibility: EligibilityVerdict | None = None
    assignment: Assignment | None = None
    refused_arms: tuple[str, ...] = ()
    slot: Slot | None = None
    units: tuple[str, ...] = Field(default=(), description="Reserved and not yet infused.")
    day_zero: date | None = None
    lymphodepletion_on: tuple[date, ...] = ()
    infusions: tuple[InfusionGiven, ...] = ()
    infusion_steps: tuple[str, ...] = ()
    infused_by: tuple[str, ...] = Field(default=(), description="Who entered each infusion.")
    last_check_go: bool | None = None
    skipped: tuple[str, ...] = ()
    treatment_stopped: bool = False
    adverse_events: tuple[AdverseEvent, ...] = ()
    last_safety_visit_on: date | None = None
    responses: tuple[tuple[str, str], ...] = ()
    event_versions: dict[str, int] = Field(default_factory=dict, description="By event id; 1 where there is none.")
    computed_grades: dict[str, ComputedGrade] = Field(default_factory=dict, description="By event id.")
    dlt_findings: dict[str, DltFinding] = Field(default_factory=dict, description="By event id.")
    adjudications: dict[str, DltAdjudication] = Field(default_factory=dict, description="By event id.")
    reports: dict[str, ReportRow] = Field(default_factory=dict, description="By '<report kind>-<event id>'.")
    baseline: BaselineAssessment | None = None
    assessments: tuple[TumourAssessment, ...] = ()
    timepoints: tuple[TimepointResponse, ...] = ()
    best_response: BestResponse | None = None
    deviations: tuple[Deviation, ...] = ()
    last_toxicity_check: ToxicityCheck | None = None
    imaging_on: dict[str, date] = Field(default_factory=dict, description="The day of the scan, by visit.")
    cytokine: SupportVerdict | None = None
    cytokine_verdicts: tuple[SupportVerdict, ...] = Field(default=(), description="All so far, the latest last.")
    retreatment: SupportVerdict | None = None
    retreatment_accepted: bool | None = Field(default=None, description="The latest answer; none in a new cycle.")
    cycles: int = Field(default=0, description="Further cycles begun, after the planned infusions.")
    cycle_day_zero: date | None = Field(default=None, description="The latest cycle's first infusion, else its plan.")
    cycle_lymphodepletion: bool = Field(default=False, description="Whether it is repeated in the latest cycle.")
    cycle_depleted_on: date | None = Field(default=None, description="The first day of it in the latest cycle.")
    dlt: DltStatus | None = None
    dlt_reason: str | None = None
    holds: tuple[str, ...] = ()
    end: EndReason | None = None
    end_on: date | None = None
    disposition: Disposition | None = None
    disposition_reason: str | None = None
    refusals: int = 0
    latest_on: date

    def on_hold(self) -> bool:
        """Whether an infusion may not start now."""
        return bool(self.holds)
