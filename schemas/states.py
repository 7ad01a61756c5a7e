"""States: what the facts add up to. Built only by the folds in `decisions/`."""

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.answers import DltAdjudication, InfusionGiven, PanelReported
from schemas.base import ArmId, Frozen, Role
from schemas.commands import AdverseEvent, DecisionAction, EndReason, Signature
from schemas.eligibility import EligibilityForm, EligibilityVerdict
from schemas.expansion import ExpansionDecision, ExpansionState, ExpansionVerdict
from schemas.outcome import Disposition, DltStatus
from schemas.panel import Antigen, AntigenProfile
from schemas.protocol import ArmKind, ProtocolReference
from schemas.safety import DltFinding, ReportRow
from schemas.stopping import SafetyRecord
from schemas.summary import Finding, FiredRule, SafetySummary
from schemas.support import Deviation, SupportVerdict, ToxicityCheck
from schemas.task import Task, TaskEnd
from schemas.toxicity import ComputedGrade
from schemas.tumour import BaselineAssessment, BestResponse, TimepointResponse, TumourAssessment

Target = tuple[Antigen, ...]


class Stage(StrEnum):
    """Where a participant stands."""

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
    reports: dict[str, ReportRow] = Field(default_factory=dict, description="By '<event id>:<report kind>'.")
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


class SlotState(StrEnum):
    """Where a slot's participant stands for the cohort."""

    GIVEN = "given"
    DOSED = "dosed"
    DLT = "dlt"
    NO_DLT = "no_dlt"
    NOT_EVALUABLE = "not_evaluable"


class SlotRecord(Frozen):
    """A slot that was given out, kept for ever."""

    subject: str
    cohort: int
    level: int
    state: SlotState
    first_infused_on: date | None = None


class LevelTally(Frozen):
    """Counts at a dose level: treated (dosed), evaluable, DLTs, and pending (slot given, outcome open)."""

    level: int
    treated: int = 0
    evaluable: int = 0
    dlts: int = 0
    pending: int = 0


class Recommendation(Frozen):
    """What the 3+3 rule says, why, and on which counts."""

    action: DecisionAction
    level: int | None = Field(
        default=None, description="The dose level to go on at, or the RP2D; none when stopping without one."
    )
    why: str
    tallies: tuple[LevelTally, ...]


class DecisionRecord(Frozen):
    """A decision of the SRC."""

    cohort: int
    from_level: int
    action: DecisionAction
    level: int | None = None
    recommended: DecisionAction
    decided_by: str
    decided_at: AwareDatetime
    reason: str
    signature: Signature | None = Field(default=None, description="Its hash is that of the packet decided on.")
    evaluable: int
    dlts: int
    treated: int
    reviews: tuple[int, ...] | None = Field(
        default=None, description="It reviewed the reopened decisions on these cohorts; the present one goes on."
    )


class ArmStatus(StrEnum):
    """Whether the arm gives out slots."""

    OPEN = "open"
    DECISION_DUE = "decision_due"
    CLOSED = "closed"
    EXPANSION = "expansion"


class ArmState(Frozen):
    """One arm, folded from the facts."""

    study: str
    arm: str
    status: ArmStatus = ArmStatus.OPEN
    level: int
    cohort: int = 1
    expanded_levels: tuple[int, ...] = Field(default=(), description="Levels where the larger cohort is allowed.")
    slots: tuple[SlotRecord, ...] = ()
    queue: tuple[str, ...] = Field(default=(), description="Subjects waiting, the first asked first.")
    stagger_cleared: bool = False
    holds: tuple[str, ...] = ()
    tasks: dict[str, Task] = Field(default_factory=dict)
    closed_tasks: dict[str, TaskEnd] = Field(default_factory=dict)
    tasks_opened: int = 0
    recommendation: Recommendation | None = None
    decisions: tuple[DecisionRecord, ...] = ()
    rp2d_level: int | None = None
    latest_on: date | None = Field(default=None, description="The latest day that a participant's fact tells.")
    summaries: dict[str, SafetySummary] = Field(default_factory=dict, description="By subject, as last told.")
    signers: tuple[str, ...] = Field(default=(), description="To whom the committee's role is delegated.")
    fired: tuple[FiredRule, ...] = ()
    reopened: tuple[Finding, ...] = Field(default=(), description="Decisions that later news has put in question.")
    review_due: bool = Field(default=False, description="A decision was reopened and not reviewed yet.")
    reviewing: tuple[int, ...] = Field(default=(), description="The cohorts whose decisions are to be reviewed.")
    held_for_review: tuple[str, ...] = Field(default=(), description="Who held a slot undosed as it was reopened.")
    expansions: dict[str, ExpansionState] = Field(default_factory=dict, description="Phase 2, by target: 'A+B'.")
    verdicts: dict[str, ExpansionVerdict] = Field(
        default_factory=dict, description="What the two-stage rule last said, by target."
    )
    targets: dict[str, Target] = Field(default_factory=dict, description="For what target who waits waits, by subject.")


class HoldRecord(Frozen):
    """A hold in force: who placed it, when and why. Lifting it signs the hash of this record."""

    scope: str
    placed_by: str
    placed_at: AwareDatetime
    why: str
    rule: str | None = Field(default=None, description="The stopping rule that placed it.")


class HoldWithHash(Frozen):
    """A hold in force and its SHA-256 (64 hex digits): what is read before it is lifted, and what is signed."""

    hold: HoldRecord
    sha256: str


class StudyArm(Frozen):
    """What the study knows of an arm."""

    arm: str
    decisions: int = 0
    last_action: DecisionAction | None = None
    level: int | None = None
    closed: bool = False
    rp2d_level: int | None = None
    phase: int = 1
    expansions: dict[str, ExpansionDecision] = Field(default_factory=dict, description="Phase 2, by target: 'A+B'.")


class StudyState(Frozen):
    """The study, folded from the facts."""

    study: str
    protocol: ProtocolReference
    arms: dict[str, StudyArm]
    active: tuple[str, ...] = Field(default=(), description="Subjects enrolled and not ended.")
    ended: dict[str, Disposition] = Field(default_factory=dict)
    holds: tuple[str, ...] = ()
    hold_records: dict[str, HoldRecord] = Field(default_factory=dict, description="By scope; what a lift signs.")
    delegations: dict[str, tuple[Role, ...]] = Field(default_factory=dict, description="Roles by person.")
    safety: dict[str, SafetyRecord] = Field(default_factory=dict, description="By subject, for the stopping rules.")
    fired: tuple[FiredRule, ...] = ()
