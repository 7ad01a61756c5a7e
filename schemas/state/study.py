"""The study's state."""

from pydantic import AwareDatetime, Field

from schemas.base import Frozen, Role
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition
from schemas.phase_two.expansion import ExpansionDecision
from schemas.protocol import ProtocolReference
from schemas.safety.summary import FiredRule
from schemas.stopping.rules import SafetyRecord


class HoldRecord(Frozen):
    """A hold: who placed it, when and why. Lifting it signs the hash of this record."""

    scope: str
    placed_by: str
    placed_at: AwareDatetime
    why: str
    rule: str | None = Field(default=None, description="The stopping rule that placed it.")


class HoldWithHash(Frozen):
    """A hold and its SHA-256 (64 hex digits): what is read before it is lifted, and what is signed."""

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
