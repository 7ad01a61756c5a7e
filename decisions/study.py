"""The study's state as a fold over facts."""

from typing import assert_never

from schemas import facts as f
from schemas.commands import DecisionAction
from schemas.protocol import Protocol
from schemas.states import StudyArm, StudyState


def start(protocol: Protocol, fact: f.StudyStarted) -> StudyState:
    """Begin a study's state: its arms are the protocol's."""
    arms = {arm.id: StudyArm(arm=arm.id, level=arm.start_level) for arm in protocol.arms}
    return StudyState(study=fact.study, protocol=fact.protocol, arms=arms)


def apply(state: StudyState, fact: f.StudyFact) -> StudyState:
    """Return the state after one more fact."""
    match fact:
        case f.SubjectEnrolled():
            return state.model_copy(update={"active": (*state.active, fact.subject)})
        case f.SubjectEnded():
            active = tuple(subject for subject in state.active if subject != fact.subject)
            return state.model_copy(update={"active": active, "ended": state.ended | {fact.subject: fact.disposition}})
        case f.ArmDecided():
            return state.model_copy(update={"arms": state.arms | {fact.arm: _decided(state.arms[fact.arm], fact)}})
        case f.HoldPlaced():
            return state.model_copy(update={"holds": tuple(sorted({*state.holds, fact.scope}))})
        case f.HoldLifted():
            return state.model_copy(update={"holds": tuple(s for s in state.holds if s != fact.scope)})
        case f.StudyStarted() | f.Refused():
            return state
        case _:
            assert_never(fact)


def _decided(arm: StudyArm, fact: f.ArmDecided) -> StudyArm:
    return arm.model_copy(
        update={
            "decisions": arm.decisions + 1,
            "last_action": fact.action,
            "level": fact.level,
            "closed": fact.action in (DecisionAction.STOP, DecisionAction.DECLARE_RP2D),
            "rp2d_level": fact.rp2d_level,
        }
    )
