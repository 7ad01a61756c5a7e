"""Facts of an arm."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import ArmId
from schemas.commands.commands import DecisionAction, Signature
from schemas.dlt.outcome import DltStatus
from schemas.facts.shared import (
    ArmClosed,
    DelegationChanged,
    ExpansionJudged,
    Fact,
    HoldLifted,
    HoldPlaced,
    Refused,
    SafetyReceived,
    StoppingRuleFired,
    TaskClosed,
    TaskEscalated,
    TaskOpened,
    TaskReminded,
)
from schemas.phase_two.expansion import ResponseOutcome
from schemas.safety.summary import Finding
from schemas.state.arm import Recommendation
from schemas.state.participant import Slot, Target


class ArmOpened(Fact):
    """The arm opened at its starting dose level."""

    kind: Literal["arm_opened"] = "arm_opened"
    study: str
    arm: ArmId
    level: int


class SlotRequested(Fact):
    """A participant waits for a slot."""

    kind: Literal["slot_requested"] = "slot_requested"
    subject: str
    target: Target | None = None


class SlotGiven(Fact):
    """A slot was given to a participant."""

    kind: Literal["slot_given"] = "slot_given"
    slot: Slot
    subject: str


class SlotGivenBack(Fact):
    """A participant left before dosing; the slot is free again."""

    kind: Literal["slot_given_back"] = "slot_given_back"
    subject: str
    occurred_on: date | None = None


class FirstDoseReported(Fact):
    """A participant of the cohort received the first infusion."""

    kind: Literal["first_dose_reported"] = "first_dose_reported"
    subject: str
    infused_on: date


class StaggerCleared(Fact):
    """The cohort's first participant was observed long enough for the others to be dosed."""

    kind: Literal["stagger_cleared"] = "stagger_cleared"
    subject: str
    occurred_on: date | None = None


class OutcomeReported(Fact):
    """A participant's DLT outcome."""

    kind: Literal["outcome_reported"] = "outcome_reported"
    subject: str
    status: DltStatus
    occurred_on: date | None = None


class DecisionReopened(Fact):
    """Later safety data put an earlier decision in question: what was known then, and what is known now."""

    kind: Literal["decision_reopened"] = "decision_reopened"
    finding: Finding


class DecisionReviewed(Fact):
    """The committee reviewed a decision that had been reopened."""

    kind: Literal["decision_reviewed"] = "decision_reviewed"
    cohort: int


class ExpansionOpened(Fact):
    """Phase 2 opened at the RP2D, a Simon two-stage trial for each target."""

    kind: Literal["expansion_opened"] = "expansion_opened"
    level: int
    targets: tuple[Target, ...]


class ResponseReceived(Fact):
    """A participant's response, for the expansion's count."""

    kind: Literal["response_received"] = "response_received"
    subject: str
    target: Target
    outcome: ResponseOutcome
    occurred_on: date | None = None


class DecisionAsked(Fact):
    """The cohort's window has closed for all: the SRC is asked, with the rule's recommendation and its data."""

    kind: Literal["decision_asked"] = "decision_asked"
    cohort: int
    recommendation: Recommendation


class Decided(Fact):
    """The SRC decided."""

    kind: Literal["decided"] = "decided"
    cohort: int
    from_level: int
    action: DecisionAction
    level: int | None = None
    recommended: DecisionAction
    signature: Signature | None = None


ArmFact = Annotated[
    ArmOpened
    | SlotRequested
    | SlotGiven
    | SlotGivenBack
    | FirstDoseReported
    | StaggerCleared
    | OutcomeReported
    | SafetyReceived
    | DecisionReopened
    | DecisionReviewed
    | StoppingRuleFired
    | DelegationChanged
    | ExpansionOpened
    | ResponseReceived
    | ExpansionJudged
    | TaskOpened
    | TaskReminded
    | TaskEscalated
    | TaskClosed
    | DecisionAsked
    | Decided
    | ArmClosed
    | HoldPlaced
    | HoldLifted
    | Refused,
    Field(discriminator="kind"),
]
