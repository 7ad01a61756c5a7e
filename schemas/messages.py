"""What workflows and activities say to each other: one object in, one object out, so that each can gain a field."""

from datetime import date

from pydantic import AwareDatetime, Field

from schemas.bank import UnitRequest
from schemas.base import Frozen, StudyId
from schemas.commands import DecisionAction, Enroll
from schemas.facts import AnyFact
from schemas.outcome import Disposition, DltStatus
from schemas.protocol import Arm, DltRules, Escalation, Protocol, ProtocolReference, TaskTimes
from schemas.states import ArmState, ParticipantState, Slot, StudyState

PARTICIPANT_REVISION = 2
"""
What new participants' workflows are started with. Revision 2 reads the protocol in a local activity, sends signals
beside the schedule instead of waiting for the server's word, and publishes before it leaves only what people would
otherwise see unanswered.
"""


class ParticipantStart(Frozen):
    """Start a participant's workflow, or continue it as new with its state."""

    study: StudyId
    protocol: ProtocolReference
    enrolment: Enroll
    held: tuple[str, ...] = ()
    state: ParticipantState | None = None
    sequence: int = 0
    stagger_reported: bool = False
    revision: int = Field(
        default=1, description="How this workflow does things; histories keep the one they began with."
    )


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
    held: tuple[str, ...] = ()


class StudyContinued(Frozen):
    """Continue a study's workflow as new."""

    protocol: Protocol
    state: StudyState
    sequence: int


class SlotRequest(Frozen):
    """A participant asks its arm for a slot."""

    subject: str
    at: AwareDatetime


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


class HoldChange(Frozen):
    """A hold was placed or lifted; `scope` is 'study' or the arm."""

    scope: str
    held: bool
    who: str
    why: str


class SubjectDone(Frozen):
    """A participant reached a final state."""

    subject: str
    disposition: Disposition
    reason: str


class ArmNews(Frozen):
    """The SRC decided on an arm."""

    arm: str
    cohort: int
    action: DecisionAction
    level: int | None = None
    rp2d_level: int | None = None
    who: str
    why: str


class ReserveUnits(Frozen):
    """Reserve units for a participant; asking again with the same key returns the same units."""

    key: str
    study: str
    subject: str
    request: UnitRequest


class ReturnUnits(Frozen):
    """Give units that were not infused back to the bank; doing it again changes nothing."""

    study: str
    subject: str
    units: tuple[str, ...]
    workflow_id: str
    sequence: int
    at: AwareDatetime
    why: str


class RegisterProtocol(Frozen):
    """Keep a protocol's content by its hash."""

    protocol: Protocol
    reference: ProtocolReference


class Publication(Frozen):
    """Facts in their order, published in one transaction; without any, only `next_at` has moved."""

    study: str
    workflow_id: str
    run_id: str
    owner: str
    first_sequence: int
    facts: tuple[AnyFact, ...]
    at: AwareDatetime
    next_at: AwareDatetime | None = Field(default=None, description="When the workflow will act next by itself.")


class Recorded(Frozen):
    """What was published: it comes back so that the history itself names every fact, readable without any code."""

    first_sequence: int
    facts: tuple[AnyFact, ...]
