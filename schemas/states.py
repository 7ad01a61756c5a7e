"""States: what the facts add up to. Built only by the folds in `decisions/`."""

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.answers import InfusionGiven, PanelReported
from schemas.base import ArmId, Frozen
from schemas.commands import AdverseEvent, DecisionAction, EndReason
from schemas.eligibility import EligibilityForm, EligibilityVerdict
from schemas.outcome import Disposition, DltStatus
from schemas.panel import Antigen, AntigenProfile
from schemas.protocol import ArmKind, ProtocolReference
from schemas.task import Task, TaskEnd

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
    dlt: DltStatus | None = None
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
    evaluable: int
    dlts: int
    treated: int


class ArmStatus(StrEnum):
    """Whether the arm gives out slots."""

    OPEN = "open"
    DECISION_DUE = "decision_due"
    CLOSED = "closed"


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


class StudyArm(Frozen):
    """What the study knows of an arm."""

    arm: str
    decisions: int = 0
    last_action: DecisionAction | None = None
    level: int | None = None
    closed: bool = False
    rp2d_level: int | None = None


class StudyState(Frozen):
    """The study, folded from the facts."""

    study: str
    protocol: ProtocolReference
    arms: dict[str, StudyArm]
    active: tuple[str, ...] = Field(default=(), description="Subjects enrolled and not ended.")
    ended: dict[str, Disposition] = Field(default_factory=dict)
    holds: tuple[str, ...] = ()
