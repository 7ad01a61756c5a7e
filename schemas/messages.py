"""Messages between workflows and activities: one object in, one object out, so that each can gain a field."""

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.base import ArmId, Frozen, Role, StudyId
from schemas.commands.commands import DecisionAction, Enroll
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.facts import AnyFact
from schemas.phase_two.expansion import ExpansionDecision, ExpansionVerdict, ResponseOutcome, SimonDesign
from schemas.product.bank import UnitRequest
from schemas.protocol import Arm, DltRules, Escalation, Protocol, ProtocolReference, SignatureRules, TaskTimes
from schemas.safety.summary import SafetySummary
from schemas.state.arm import ArmState
from schemas.state.participant import ParticipantState, Slot, Target
from schemas.state.study import StudyState
from schemas.stopping.rules import StoppingFinding, StoppingRules


class ScheduleMarks(Frozen):
    """Where a participant's schedule stood in what the facts do not tell, handed on when it continues as new."""

    slot_asked: bool = False
    product_awaited_since: AwareDatetime | None = None
    product_check_at: AwareDatetime | None = None
    recheck_at: AwareDatetime | None = Field(default=None, description="When failed treatment criteria are due again.")
    ending: Disposition | None = Field(default=None, description="The final state that the participant is led to.")
    ending_reason: str = ""
    response_reported: ResponseOutcome | None = Field(default=None, description="The response that the arm knows of.")
    stagger_reported: bool = Field(default=False, description="Whether the arm knows of the end of the stagger days.")
    first_dose_reported: bool = Field(default=False, description="Whether the arm knows of the first infusion.")
    infusions_booked: int = Field(default=0, description="How many infusions the bank has booked.")


class ParticipantStart(Frozen):
    """Start a participant's workflow, or continue it as new with its state."""

    study: StudyId
    protocol: ProtocolReference
    enrolment: Enroll
    state: ParticipantState | None = None
    sequence: int = 0
    marks: ScheduleMarks = Field(default_factory=ScheduleMarks)


class ParticipantResult(Frozen):
    """How a participant's workflow ended."""

    subject: str
    disposition: Disposition
    reason: str


class ArmStart(Frozen):
    """Start an arm's workflow, or continue it as new with its state after a cohort's decision."""

    study: StudyId
    arm: Arm
    escalation: Escalation
    dlt: DltRules
    decision_task: TaskTimes
    protocol: ProtocolReference
    state: ArmState | None = None
    sequence: int = 0
    planned_infusions: int
    stopping: StoppingRules
    expansion: SimonDesign | None = None
    signatures: SignatureRules | None = None


class StudyContinued(Frozen):
    """Continue a study's workflow as new."""

    state: StudyState
    sequence: int


class SlotRequest(Frozen):
    """A participant asks its arm for a slot."""

    subject: str
    target: Target | None = None


class SlotGrant(Frozen):
    """The arm gives the slot."""

    slot: Slot
    why: str


class ArmRefusal(Frozen):
    """The arm gives out no more slots."""

    arm: str
    why: str


class SlotBack(Frozen):
    """A participant gives its slot back, or stops waiting for one."""

    subject: str
    occurred_on: date
    why: str


class FirstDose(Frozen):
    """A participant received the first infusion."""

    subject: str
    infused_on: date


class StaggerDone(Frozen):
    """The cohort's first participant was observed for the stagger days."""

    subject: str
    observed_until: date


class Outcome(Frozen):
    """A participant's DLT outcome."""

    subject: str
    status: DltStatus
    occurred_on: date
    why: str
    summary: SafetySummary | None = None


class SafetyReport(Frozen):
    """What is known of a participant's safety, for the arm and, when a stopping rule may count it, for the study."""

    subject: str
    arm: str
    phase: Literal[1, 2]
    summary: SafetySummary
    why: str


class ResponseReport(Frozen):
    """A participant's response in Phase 2, sent to the arm once it is final or changes."""

    subject: str
    target: Target
    outcome: ResponseOutcome
    occurred_on: date
    why: str


class StoppingReport(Frozen):
    """A stopping rule of the arm's scope fired in an arm; the study keeps its holds in one place."""

    arm: str
    finding: StoppingFinding


class DelegationChange(Frozen):
    """The study delegated a role to a person, or took it back."""

    person: str
    role: Role
    delegated: bool
    who: str
    why: str


class HoldChange(Frozen):
    """A hold was placed or lifted; `scope` is 'study' or the arm."""

    scope: str
    held: bool
    who: str
    why: str
    rule: str | None = None
    fired: int | None = Field(
        default=None, description="Of a lift: how many findings of the arm it knew of. A newer one keeps the hold."
    )


class SubjectDone(Frozen):
    """A participant reached a final state."""

    subject: str
    disposition: Disposition
    reason: str


class ArmReport(Frozen):
    """The SRC decided on an arm."""

    arm: str
    cohort: int
    action: DecisionAction
    level: int | None = None
    rp2d_level: int | None = None
    who: str
    why: str
    phase: Literal[1, 2] = Field(description="The arm's phase after the decision.")


class ExpansionReport(Frozen):
    """The two-stage rule's verdict on a target of an arm; `closed` with the arm's last open target."""

    arm: str
    verdict: ExpansionVerdict
    decided: ExpansionDecision
    closed: bool
    rp2d_level: int | None = None


class ReserveUnits(Frozen):
    """Reserve units for a participant; asking again with the same key returns the same units."""

    key: str
    study: str
    subject: str
    request: UnitRequest
    at: AwareDatetime


class ReturnUnits(Frozen):
    """Give units that were not infused back to the bank; asking again with the same key changes nothing."""

    key: str
    study: str
    subject: str
    units: tuple[str, ...]
    at: AwareDatetime
    why: str


class BookInfusion(Frozen):
    """Book that a reserved unit was infused; asking again with the same key changes nothing."""

    key: str
    study: str
    subject: str
    unit_id: str
    at: AwareDatetime
    who: str
    why: str


class ToxicityQuestion(Frozen):
    """Which dose level of the arm is the lowest that was found toxic?"""

    study: str
    arm: ArmId
    escalation: Escalation


class ToxicLevel(Frozen):
    """The lowest dose level with too many dose-limiting toxicities, if there is one."""

    level: int | None = None


class RegisterProtocol(Frozen):
    """Keep a protocol's content by its hash."""

    protocol: Protocol
    reference: ProtocolReference


class Publication(Frozen):
    """Facts of a workflow in their order, as they stand in its history; they are published in one transaction."""

    study: str
    workflow_id: str
    run_id: str
    owner: str
    first_sequence: int
    facts: tuple[AnyFact, ...]
