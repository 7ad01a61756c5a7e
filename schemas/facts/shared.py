"""Facts that more than one owner records."""

from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.base import ArmId, Frozen, Role
from schemas.commands.answers import Answer
from schemas.commands.commands import Signature
from schemas.phase_two.expansion import ExpansionDecision, ExpansionVerdict
from schemas.problem import Problem
from schemas.safety.summary import SafetySummary
from schemas.schedule.task import Task, TaskEnd
from schemas.stopping.rules import StoppingFinding


class Fact(Frozen):
    """The fields of every fact."""

    at: AwareDatetime
    who: str
    role: Role
    why: str


class TaskOpened(Fact):
    """A person is asked to act."""

    kind: Literal["task_opened"] = "task_opened"
    task: Task


class TaskReminded(Fact):
    """A task came due without an answer."""

    kind: Literal["task_reminded"] = "task_reminded"
    task_id: str


class TaskEscalated(Fact):
    """A task was not answered in time: trial operations are notified."""

    kind: Literal["task_escalated"] = "task_escalated"
    task_id: str


class TaskAnswered(Fact):
    """A person answered; the task leaves the worklist."""

    kind: Literal["task_answered"] = "task_answered"
    task_id: str
    answer: Answer


class TaskClosed(Fact):
    """A task left the worklist without an answer."""

    kind: Literal["task_closed"] = "task_closed"
    task_id: str
    end: TaskEnd


class HoldPlaced(Fact):
    """No infusion starts while it holds; `scope` is 'study' or the arm."""

    kind: Literal["hold_placed"] = "hold_placed"
    scope: str
    rule: str | None = Field(default=None, description="The stopping rule that placed it.")


class HoldLifted(Fact):
    """A hold ended."""

    kind: Literal["hold_lifted"] = "hold_lifted"
    scope: str
    signature: Signature | None = None


class Refused(Fact):
    """A command was refused by a rule; nothing else changed."""

    kind: Literal["refused"] = "refused"
    command: str
    problem: Problem


class SafetyReceived(Fact):
    """The arm, or the study, received the safety summary of a participant."""

    kind: Literal["safety_received"] = "safety_received"
    summary: SafetySummary
    arm: ArmId | None = Field(default=None, description="The participant's arm, in the study.")
    phase: Literal[1, 2] = 1


class StoppingRuleFired(Fact):
    """A stopping rule of the protocol fired."""

    kind: Literal["stopping_rule_fired"] = "stopping_rule_fired"
    finding: StoppingFinding


class DelegationChanged(Fact):
    """A role was delegated to a person, or the delegation ended."""

    kind: Literal["delegation_changed"] = "delegation_changed"
    person: str
    delegated_role: Role
    delegated: bool


class ExpansionJudged(Fact):
    """The two-stage rule gave a new verdict on a target; `decided` is the decision that follows."""

    kind: Literal["expansion_judged"] = "expansion_judged"
    verdict: ExpansionVerdict
    decided: ExpansionDecision = ExpansionDecision.OPEN
    arm: ArmId | None = Field(default=None, description="The target's arm, in the study.")


class ArmClosed(Fact):
    """The arm gives out no more slots: its escalation has ended, or its expansion where there is one."""

    kind: Literal["arm_closed"] = "arm_closed"
    rp2d_level: int | None = None
    arm: ArmId | None = Field(default=None, description="The arm, in the study.")
