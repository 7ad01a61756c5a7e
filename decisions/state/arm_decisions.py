"""The safety review committee's decisions, reopened decisions and reviews as a fold over an arm's facts."""

from typing import assert_never

from decisions.dose.escalation import closes_arm, tally
from decisions.phase_two.places import subjects_undosed
from schemas import facts as f
from schemas.commands.commands import DecisionAction
from schemas.state.arm import ArmState, ArmStatus, DecisionRecord, SlotState

DecisionFact = f.DecisionAsked | f.Decided | f.DecisionReopened | f.DecisionReviewed | f.ArmClosed


def apply_decision(state: ArmState, fact: DecisionFact) -> ArmState:
    """Return the arm's state after the committee was asked, decided or reviewed, or the arm was closed."""
    match fact:
        case f.DecisionAsked():
            asked = {"status": ArmStatus.DECISION_DUE, "recommendation": fact.recommendation}
            return state.model_copy(update=asked)
        case f.Decided():
            return _decide(state, fact)
        case f.DecisionReopened():
            return _reopen(state, fact)
        case f.DecisionReviewed():
            return _review(state, fact)
        case f.ArmClosed():
            return _close(state, fact)
        case _:
            assert_never(fact)


def _close(state: ArmState, fact: f.ArmClosed) -> ArmState:
    closed: dict[str, object] = {"status": ArmStatus.CLOSED, "rp2d_level": fact.rp2d_level, "queue": (), "targets": {}}
    return state.model_copy(update=closed)


def _decide(state: ArmState, fact: f.Decided) -> ArmState:
    decided = state.model_copy(
        update={
            "decisions": (*state.decisions, _record(state, fact)),
            "recommendation": None,
            "level": state.level if fact.level is None else fact.level,
        }
    )
    if closes_arm(fact.action):
        # No slot may slip out between this fact and the ArmClosed that follows it.
        return decided.model_copy(update={"status": ArmStatus.CLOSED})
    if state.review_due and fact.action is DecisionAction.STAY:
        return _continue_cohort(decided)
    return _open_cohort(decided, fact)


def _continue_cohort(state: ArmState) -> ArmState:
    # The review leaves the present cohort as it is; if its decision was due, the committee is asked again.
    due = state.status is ArmStatus.DECISION_DUE
    return state.model_copy(update={"status": ArmStatus.OPEN}) if due else state


def _open_cohort(state: ArmState, fact: f.Decided) -> ArmState:
    expanded = {*state.expanded_levels, state.level} if _expands(fact) else set(state.expanded_levels)
    return state.model_copy(
        update={
            "status": ArmStatus.OPEN,
            "rp2d_level": None,
            "cohort": fact.cohort + 1,
            "stagger_cleared": False,
            "expanded_levels": tuple(sorted(expanded)),
        }
    )


def _expands(fact: f.Decided) -> bool:
    match fact.action:
        case DecisionAction.EXPAND | DecisionAction.DE_ESCALATE:
            return True
        case DecisionAction.STAY:
            # The rule recommends 'stay' only while the first cohort is not full: that leaves its size as it is.
            return fact.recommended is not DecisionAction.STAY
        case DecisionAction.ESCALATE | DecisionAction.STOP | DecisionAction.DECLARE_RP2D:
            return False
        case _:
            assert_never(fact.action)


def _record(state: ArmState, fact: f.Decided) -> DecisionRecord:
    counts = tally(state, fact.from_level)
    return DecisionRecord(
        cohort=fact.cohort,
        from_level=fact.from_level,
        action=fact.action,
        level=fact.level,
        recommended=fact.recommended,
        decided_by=fact.who,
        decided_at=fact.at,
        reason=fact.why,
        signature=fact.signature,
        reviews=state.reviewing or None,
        evaluable=counts.evaluable,
        dlts=counts.dlts,
        treated=counts.treated,
    )


def _reopen(state: ArmState, fact: f.DecisionReopened) -> ArmState:
    # Who has a slot and no dose yet: nobody else gets one while the review is due.
    undosed = [*(slot.subject for slot in state.slots if slot.state is SlotState.GIVEN), *subjects_undosed(state)]
    return state.model_copy(
        update={
            "reopened": (*state.reopened, fact.finding),
            "review_due": True,
            "reviewing": tuple(sorted({*state.reviewing, fact.finding.cohort})),
            "held_for_review": tuple(dict.fromkeys((*state.held_for_review, *undosed))),
        }
    )


def _review(state: ArmState, fact: f.DecisionReviewed) -> ArmState:
    reviewing = tuple(cohort for cohort in state.reviewing if cohort != fact.cohort)
    held = state.held_for_review if reviewing else ()
    return state.model_copy(update={"reviewing": reviewing, "review_due": bool(reviewing), "held_for_review": held})
