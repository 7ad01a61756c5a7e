"""An arm's state as a fold over facts: the workflow, the read model and the auditor share it."""

from collections.abc import Iterable
from functools import reduce
from typing import assert_never

from decisions.phase_two.places import apply_expansion
from decisions.safety.records import fired_rule
from decisions.state.arm_decisions import apply_decision
from decisions.state.arm_slots import apply_slot, with_latest_day
from decisions.state.tasks import TaskFact, open_tasks
from schemas import facts as f
from schemas.base import Role
from schemas.state.arm import ArmState

_SafetyFact = f.SafetyReceived | f.StoppingRuleFired | f.DelegationChanged | f.HoldPlaced | f.HoldLifted
_ExpansionFact = f.ResponseReceived | f.ExpansionOpened | f.ExpansionJudged


def open_arm(fact: f.ArmOpened) -> ArmState:
    """Return an arm's state after its first fact: cohort 1 at the fact's dose level, nobody treated."""
    return ArmState(study=fact.study, arm=fact.arm, level=fact.level)


def fold(facts: Iterable[f.ArmFact]) -> ArmState:
    """Return the state after all facts of an arm; raise `ValueError` unless the first is its opening."""
    first, *rest = facts
    if not isinstance(first, f.ArmOpened):
        raise ValueError(f"an arm's facts begin with arm_opened, not {first.kind}")  # noqa: TRY004 - the facts are wrong, not the type
    return reduce(apply_arm, rest, open_arm(first))


def apply_arm(state: ArmState, fact: f.ArmFact) -> ArmState:
    """
    Return the arm's state after one more fact.

    Slots belong to a cohort and a dose level and are never removed. Which slots may be given and what may be decided is
    judged in `decisions.dose`, not here.
    """
    match fact:
        case f.ArmOpened() | f.Refused():
            return state
        case (
            f.SlotRequested()
            | f.SlotGiven()
            | f.SlotGivenBack()
            | f.FirstDoseReported()
            | f.StaggerCleared()
            | f.OutcomeReported()
        ):
            return with_latest_day(state, apply_slot(state, fact), fact)
        case f.TaskOpened() | f.TaskReminded() | f.TaskEscalated() | f.TaskClosed():
            return _apply_task(state, fact)
        case f.DecisionAsked() | f.Decided() | f.DecisionReopened() | f.DecisionReviewed() | f.ArmClosed():
            return apply_decision(state, fact)
        case f.SafetyReceived() | f.StoppingRuleFired() | f.DelegationChanged() | f.HoldPlaced() | f.HoldLifted():
            return _apply_safety(state, fact)
        case f.ResponseReceived() | f.ExpansionOpened() | f.ExpansionJudged():
            return with_latest_day(state, apply_expansion(state, fact), fact)
        case _:
            assert_never(fact)


def _apply_task(state: ArmState, fact: TaskFact) -> ArmState:
    changes: dict[str, object] = {"tasks": open_tasks(state.tasks, fact)}
    if isinstance(fact, f.TaskOpened):
        changes["tasks_opened"] = state.tasks_opened + 1
    if isinstance(fact, f.TaskClosed):
        changes["closed_tasks"] = state.closed_tasks | {fact.task_id: fact.end}
    return state.model_copy(update=changes)


def _apply_safety(state: ArmState, fact: _SafetyFact) -> ArmState:
    match fact:
        case f.SafetyReceived():
            return state.model_copy(update={"summaries": state.summaries | {fact.summary.subject: fact.summary}})
        case f.StoppingRuleFired():
            return state.model_copy(update={"fired": (*state.fired, fired_rule(fact.finding, fact.at.date()))})
        case f.DelegationChanged():
            return state.model_copy(update={"signers": _signers(state, fact)})
        case f.HoldPlaced():
            return state.model_copy(update={"holds": tuple(sorted({*state.holds, fact.scope}))})
        case f.HoldLifted():
            return state.model_copy(update={"holds": tuple(scope for scope in state.holds if scope != fact.scope)})
        case _:
            assert_never(fact)


def _signers(state: ArmState, fact: f.DelegationChanged) -> tuple[str, ...]:
    if fact.delegated_role is not Role.COMMITTEE:
        return state.signers
    others = {person for person in state.signers if person != fact.person}
    return tuple(sorted(others | {fact.person} if fact.delegated else others))
