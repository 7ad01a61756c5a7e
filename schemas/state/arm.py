"""An arm's state."""

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.base import Frozen
from schemas.commands.commands import DecisionAction, Signature
from schemas.phase_two.expansion import ExpansionState, ExpansionVerdict
from schemas.safety.summary import Finding, FiredRule, SafetySummary
from schemas.schedule.task import Task, TaskEnd
from schemas.state.participant import Target


class SlotState(StrEnum):
    """The status of a slot's participant in the cohort."""

    GIVEN = "given"
    DOSED = "dosed"
    DLT = "dlt"
    NO_DLT = "no_dlt"
    NOT_EVALUABLE = "not_evaluable"


class SlotRecord(Frozen):
    """A slot that was given out; it is never removed."""

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
    """What the 3+3 rule recommends, why, and on which counts."""

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
    latest_on: date | None = Field(default=None, description="The latest day of a participant's fact.")
    summaries: dict[str, SafetySummary] = Field(default_factory=dict, description="By subject, the latest.")
    signers: tuple[str, ...] = Field(default=(), description="To whom the committee's role is delegated.")
    fired: tuple[FiredRule, ...] = ()
    reopened: tuple[Finding, ...] = Field(default=(), description="Decisions that later safety data put in question.")
    review_due: bool = Field(default=False, description="A decision was reopened and not reviewed yet.")
    reviewing: tuple[int, ...] = Field(default=(), description="The cohorts whose decisions are to be reviewed.")
    held_for_review: tuple[str, ...] = Field(default=(), description="Who had a slot and no dose when it was reopened.")
    expansions: dict[str, ExpansionState] = Field(default_factory=dict, description="Phase 2, by target: 'A+B'.")
    verdicts: dict[str, ExpansionVerdict] = Field(
        default_factory=dict, description="The two-stage rule's latest verdicts, by target."
    )
    targets: dict[str, Target] = Field(default_factory=dict, description="The target of each subject in the queue.")
