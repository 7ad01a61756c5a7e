"""Facts of the study."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import ArmId
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition
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
)
from schemas.protocol import ProtocolReference


class StudyStarted(Fact):
    """The study began under a protocol."""

    kind: Literal["study_started"] = "study_started"
    study: str
    protocol: ProtocolReference
    start_levels: dict[ArmId, int] = Field(description="The starting dose level of each arm.")


class SubjectEnrolled(Fact):
    """A participant's workflow was started."""

    kind: Literal["subject_enrolled"] = "subject_enrolled"
    subject: str


class SubjectEnded(Fact):
    """A participant reached a final state."""

    kind: Literal["subject_ended"] = "subject_ended"
    subject: str
    disposition: Disposition


class ArmDecided(Fact):
    """An arm's SRC decision reached the study."""

    kind: Literal["arm_decided"] = "arm_decided"
    arm: str
    cohort: int
    action: DecisionAction
    level: int | None = None
    rp2d_level: int | None = None
    phase: Literal[1, 2] = Field(default=1, description="The arm's phase after the decision.")


StudyFact = Annotated[
    StudyStarted
    | SubjectEnrolled
    | SubjectEnded
    | ArmDecided
    | ExpansionJudged
    | ArmClosed
    | SafetyReceived
    | StoppingRuleFired
    | DelegationChanged
    | HoldPlaced
    | HoldLifted
    | Refused,
    Field(discriminator="kind"),
]
