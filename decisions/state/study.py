"""The study's state as a fold over facts."""

from collections.abc import Iterable
from functools import reduce
from typing import assert_never

from decisions.phase_two.places import target_key
from decisions.safety.records import fired_rule, record_of
from schemas import facts as f
from schemas.base import Role
from schemas.commands.commands import DecisionAction
from schemas.state.study import HoldRecord, StudyArm, StudyState
from schemas.stopping.rules import SafetyRecord


def start(fact: f.StudyStarted) -> StudyState:
    """Return a study's state after its start, with the protocol's arms at their start levels."""
    arms = {arm: StudyArm(arm=arm, level=level) for arm, level in fact.start_levels.items()}
    return StudyState(study=fact.study, protocol=fact.protocol, arms=arms)


def fold(facts: Iterable[f.StudyFact]) -> StudyState:
    """Return the state after all facts of a study; raise `ValueError` unless the first is its start."""
    first, *rest = facts
    if not isinstance(first, f.StudyStarted):
        raise ValueError(f"a study's facts begin with study_started, not {first.kind}")  # noqa: TRY004 - the facts are wrong, not the type
    return reduce(apply, rest, start(first))


def apply(state: StudyState, fact: f.StudyFact) -> StudyState:
    """Return the state after one more fact."""
    match fact:
        case f.StudyStarted() | f.Refused():
            return state
        case f.SubjectEnrolled() | f.SubjectEnded():
            return _apply_subject(state, fact)
        case f.ArmDecided() | f.ExpansionJudged() | f.ArmClosed():
            return state.model_copy(update={"arms": state.arms | _changed_arm(state, fact)})
        case f.HoldPlaced() | f.HoldLifted():
            return _apply_hold(state, fact)
        case f.DelegationChanged():
            return state.model_copy(update={"delegations": _delegated(state, fact)})
        case f.SafetyReceived() | f.StoppingRuleFired():
            return _apply_safety(state, fact)
        case _:
            assert_never(fact)


def _apply_subject(state: StudyState, fact: f.SubjectEnrolled | f.SubjectEnded) -> StudyState:
    match fact:
        case f.SubjectEnrolled():
            return state.model_copy(update={"active": (*state.active, fact.subject)})
        case f.SubjectEnded():
            active = tuple(subject for subject in state.active if subject != fact.subject)
            return state.model_copy(update={"active": active, "ended": state.ended | {fact.subject: fact.disposition}})
        case _:
            assert_never(fact)


def _apply_safety(state: StudyState, fact: f.SafetyReceived | f.StoppingRuleFired) -> StudyState:
    match fact:
        case f.SafetyReceived():
            return state.model_copy(update={"safety": state.safety | _record(fact)})
        case f.StoppingRuleFired():
            return state.model_copy(update={"fired": (*state.fired, fired_rule(fact.finding, fact.at.date()))})
        case _:
            assert_never(fact)


def _record(fact: f.SafetyReceived) -> dict[str, SafetyRecord]:
    if fact.arm is None:
        raise ValueError(f"safety_received of {fact.summary.subject} in a study names the arm")
    return {fact.summary.subject: record_of(fact.summary, fact.arm, fact.phase)}


def _changed_arm(state: StudyState, fact: f.ArmDecided | f.ExpansionJudged | f.ArmClosed) -> dict[str, StudyArm]:
    if fact.arm is None:
        raise ValueError(f"{fact.kind} in a study names the arm")
    arm = state.arms[fact.arm]
    match fact:
        case f.ArmDecided():
            return {fact.arm: _decided(arm, fact)}
        case f.ExpansionJudged():
            expansions = arm.expansions | {target_key(fact.verdict.target): fact.decided}
            return {fact.arm: arm.model_copy(update={"expansions": expansions})}
        case f.ArmClosed():
            return {fact.arm: arm.model_copy(update={"closed": True})}
        case _:
            assert_never(fact)


def _apply_hold(state: StudyState, fact: f.HoldPlaced | f.HoldLifted) -> StudyState:
    match fact:
        case f.HoldPlaced():
            holds = tuple(sorted({*state.holds, fact.scope}))
            records = state.hold_records | {fact.scope: _hold_record(state.hold_records.get(fact.scope), fact)}
        case f.HoldLifted():
            holds = tuple(scope for scope in state.holds if scope != fact.scope)
            records = {scope: record for scope, record in state.hold_records.items() if scope != fact.scope}
        case _:
            assert_never(fact)
    return state.model_copy(update={"holds": holds, "hold_records": records})


def _hold_record(earlier: HoldRecord | None, fact: f.HoldPlaced) -> HoldRecord:
    # Whoever lifts it signs every reason for which it is in force, and the rule that placed it first.
    return HoldRecord(
        scope=fact.scope,
        placed_by=fact.who,
        placed_at=fact.at,
        why=fact.why if earlier is None else f"{earlier.why}; {fact.why}",
        rule=fact.rule if earlier is None or earlier.rule is None else earlier.rule,
    )


def _delegated(state: StudyState, fact: f.DelegationChanged) -> dict[str, tuple[Role, ...]]:
    kept = {role for role in state.delegations.get(fact.person, ()) if role is not fact.delegated_role}
    roles = kept | {fact.delegated_role} if fact.delegated else kept
    others = {person: theirs for person, theirs in state.delegations.items() if person != fact.person}
    return others | {fact.person: tuple(sorted(roles))} if roles else others


def _decided(arm: StudyArm, fact: f.ArmDecided) -> StudyArm:
    return arm.model_copy(
        update={
            "decisions": arm.decisions + 1,
            "last_action": fact.action,
            "level": fact.level,
            # With its RP2D an arm without a Phase 2 is done.
            "closed": fact.action is DecisionAction.STOP
            or (fact.action is DecisionAction.DECLARE_RP2D and fact.phase == 1),
            "rp2d_level": fact.rp2d_level,
            "phase": fact.phase,
        }
    )
