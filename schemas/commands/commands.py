"""What people ask for. Every command travels in one envelope."""

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.base import ArmId, Frozen, PersonId, Role, SiteId, StudyId, SubjectId
from schemas.commands.answers import Answer, Grade
from schemas.protocol import Protocol, ProtocolReference
from schemas.safety.adverse_events import AdverseEvent


class Signature(Frozen):
    """An electronic signature (21 CFR 11.50): its meaning, and the hash of what was signed."""

    meaning: str
    signed_sha256: str


class Envelope(Frozen):
    """Who sends a command, in which role, from which site, when (their clock, UTC) and why."""

    person: PersonId
    role: Role
    site: SiteId | None = None
    time: AwareDatetime
    reason: str | None = Field(default=None, max_length=2000)
    signature: Signature | None = None


class StartStudy(Frozen):
    """Start a study under a protocol; its workflow keeps the whole protocol."""

    envelope: Envelope
    study: StudyId
    protocol: Protocol
    reference: ProtocolReference


class Enroll(Frozen):
    """A participant has signed the informed consent."""

    envelope: Envelope
    subject: SubjectId
    consent_signed_on: date
    consent_version: str = Field(min_length=1, max_length=40)
    age_years: int = Field(ge=0, le=120, description="At consent; the birth date is never kept.")


class AnswerTask(Frozen):
    """The answer to an open task."""

    envelope: Envelope
    task_id: str
    answer: Answer


class ReportAdverseEvent(Frozen):
    """Report an adverse event of a participant."""

    envelope: Envelope
    event: AdverseEvent


class AmendAdverseEvent(Frozen):
    """
    Replace an adverse event by a new version of the whole event; the earlier versions stay on record.

    `version` is the one that the sender has read: of two amendments to one version, the second is refused.
    """

    envelope: Envelope
    event_id: str = Field(pattern=r"^AE-[0-9]{3,}$")
    version: int = Field(ge=1)
    event: AdverseEvent


class ChangeDelegation(Frozen):
    """Delegate a role to a person, or revoke it; only who is delegated may sign (ICH E6(R3) 4.2, 21 CFR 11.10)."""

    envelope: Envelope
    person: PersonId
    role: Role
    delegated: bool


class EndReason(StrEnum):
    """Why participation ends early."""

    WITHDRAWAL = "withdrawal_by_subject"
    DEATH = "death"
    LOST_TO_FOLLOW_UP = "lost_to_follow_up"
    INVESTIGATOR = "investigator_decision"


class EndParticipation(Frozen):
    """Participation ends: withdrawal, death, lost to follow-up or the investigator's decision."""

    envelope: Envelope
    reason: EndReason
    occurred_on: date


class Hold(Frozen):
    """Hold an arm, or the whole study when `arm` is left out: no infusion starts until it is lifted."""

    envelope: Envelope
    arm: ArmId | None = None


class LiftHold(Frozen):
    """Lift a hold."""

    envelope: Envelope
    arm: ArmId | None = None


class DecisionAction(StrEnum):
    """What the safety review committee (SRC) can decide."""

    ESCALATE = "escalate"
    EXPAND = "expand"
    STAY = "stay"
    DE_ESCALATE = "de_escalate"
    STOP = "stop"
    DECLARE_RP2D = "declare_rp2d"


class Decide(Frozen):
    """The SRC's decision on an arm's cohort; `level` is the dose level that it leads to."""

    envelope: Envelope
    cohort: int = Field(ge=1)
    action: DecisionAction
    level: int | None = Field(default=None, ge=1)


class Accepted(Frozen):
    """The answer to a command that was carried out, with the number of its first fact in the workflow's sequence."""

    workflow_id: str
    sequence: int
    message: str


__all__ = [
    "Accepted",
    "AdverseEvent",
    "AmendAdverseEvent",
    "AnswerTask",
    "ChangeDelegation",
    "Decide",
    "DecisionAction",
    "EndParticipation",
    "EndReason",
    "Enroll",
    "Envelope",
    "Grade",
    "Hold",
    "LiftHold",
    "ReportAdverseEvent",
    "Signature",
    "StartStudy",
]
