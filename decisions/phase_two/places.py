"""
An arm's Phase 2: who has a place in which target's expansion, who gets the next one, and when a target is decided.

The 3+3 counts are not affected: no fact of a Phase 2 participant changes an arm's slots.
"""

from collections.abc import Callable
from datetime import date

from decisions.phase_two import expansion
from schemas import facts as f
from schemas.phase_two.expansion import (
    ExpansionAction,
    ExpansionDecision,
    ExpansionState,
    ExpansionVerdict,
    ResponseStatus,
    SimonDesign,
)
from schemas.state.arm import ArmState, ArmStatus
from schemas.state.participant import Slot, Target

_CLOSED = (ExpansionDecision.FUTILE, ExpansionDecision.COMPLETE)
PlaceFact = f.SlotGiven | f.SlotGivenBack | f.FirstDoseReported | f.OutcomeReported
PhaseTwoFact = f.ExpansionOpened | f.ResponseReceived | f.ExpansionJudged


def target_key(target: Target) -> str:
    """Return a target's name in an arm's state: 'mesothelin', or 'mesothelin+TROP2'."""
    return "+".join(target)


# The state


def apply_expansion(state: ArmState, fact: PhaseTwoFact) -> ArmState:
    """Return the arm's state after a fact of Phase 2."""
    match fact:
        case f.ExpansionOpened():
            opened = {target_key(target): ExpansionState(target=target) for target in fact.targets}
            now = {"status": ArmStatus.EXPANSION, "level": fact.level, "rp2d_level": fact.level, "expansions": opened}
            return state.model_copy(update=now)
        case f.ResponseReceived():
            return _change(
                state, fact.subject, lambda current: expansion.apply_outcome(current, fact.subject, fact.outcome)
            )
        case f.ExpansionJudged():
            return _judged(state, fact)


def concerns_place(state: ArmState, fact: PlaceFact) -> bool:
    """Return whether a fact about a slot is one of Phase 2: of somebody with a place there, or who gets one now."""
    return fact.slot.phase == 2 if isinstance(fact, f.SlotGiven) else has_place(state, fact.subject)  # noqa: PLR2004


def apply_place(state: ArmState, fact: PlaceFact) -> ArmState:
    """
    Return the arm's state after a fact of a participant in Phase 2.

    A DLT is part of the participant's safety summary; the two stages count responses.
    """
    subject = fact.subject
    match fact:
        case f.SlotGiven():
            key = target_key(state.targets[subject])
            return _keep(state, key, expansion.give_place(state.expansions[key], subject))
        case f.SlotGivenBack():
            return _change(state, subject, lambda current: expansion.give_back(current, subject))
        case f.FirstDoseReported():
            infused_on: date = fact.infused_on
            return _change(state, subject, lambda current: expansion.apply_first_dose(current, subject, infused_on))
        case f.OutcomeReported():
            return state


def has_place(state: ArmState, subject: str) -> bool:
    """Return whether the subject has, or once had, a place in Phase 2."""
    return any(place.subject == subject for current in state.expansions.values() for place in current.places)


def is_placed(state: ArmState, subject: str) -> bool:
    """Return whether the subject has a place in Phase 2 that was not given back undosed."""
    places = [place for current in state.expansions.values() for place in current.places if place.subject == subject]
    back = [p.status is ResponseStatus.NOT_EVALUABLE and p.first_infused_on is None for p in places]
    return not all(back)


def subjects_with_place(state: ArmState) -> tuple[str, ...]:
    """Return everybody who was given a place, target by target."""
    return tuple(dict.fromkeys(place.subject for current in state.expansions.values() for place in current.places))


def subjects_undosed(state: ArmState) -> tuple[str, ...]:
    """Return who has a place and has not been dosed there yet."""
    places = (place for current in state.expansions.values() for place in current.places)
    return tuple(p.subject for p in places if p.status is ResponseStatus.GIVEN and p.first_infused_on is None)


def _change(state: ArmState, subject: str, change: Callable[[ExpansionState], ExpansionState]) -> ArmState:
    for key, current in state.expansions.items():
        if any(place.subject == subject for place in current.places):
            return _keep(state, key, change(current))
    return state


def _keep(state: ArmState, key: str, current: ExpansionState) -> ArmState:
    return state.model_copy(update={"expansions": state.expansions | {key: current}})


def _judged(state: ArmState, fact: f.ExpansionJudged) -> ArmState:
    key = target_key(fact.verdict.target)
    current = expansion.decide(state.expansions[key], fact.decided)
    if fact.verdict.action is ExpansionAction.OPEN_STAGE_TWO:
        current = expansion.open_stage_two(current)
    judged = _keep(state, key, current).model_copy(update={"verdicts": state.verdicts | {key: fact.verdict}})
    if fact.decided not in _CLOSED:
        return judged
    # Who waits for this target is refused, and is assigned to another arm or target.
    waiting = set(waiting_for(state, fact.verdict.target))
    return judged.model_copy(
        update={
            "queue": tuple(subject for subject in state.queue if subject not in waiting),
            "targets": {subject: target for subject, target in state.targets.items() if subject not in waiting},
        }
    )


# Places


def next_place(design: SimonDesign, state: ArmState) -> str | None:
    """
    Return the subject to get a place now: of those whose target has one free, who asked first.

    None while the arm is held or a decision is under review, and none outside of Phase 2.
    """
    if state.status is not ArmStatus.EXPANSION or state.holds or state.review_due:
        return None
    free = {key for key, current in state.expansions.items() if expansion.free_places(design, current) > 0}
    return next((s for s in state.queue if s in state.targets and target_key(state.targets[s]) in free), None)


def place_slot(state: ArmState, million_cells: float) -> Slot:
    """Return a Phase 2 slot: at the RP2D, in no cohort of the escalation, and without a stagger."""
    return Slot(
        arm=state.arm,
        cohort=state.cohort + 1,
        level=state.level,
        million_cells=million_cells,
        not_before=state.latest_on,
        phase=2,
    )


def waiting_for(state: ArmState, target: Target) -> tuple[str, ...]:
    """Return who waits for a place in this target's expansion, the first asked first."""
    return tuple(subject for subject in state.queue if state.targets.get(subject) == target)


def refusal_reason(state: ArmState, target: Target | None) -> str | None:
    """Return why a target gets no more places in Phase 2, or `None` while it may."""
    current = None if target is None else state.expansions.get(target_key(target))
    if target is None or current is None:
        return f"{target_key(target or ()) or 'no target'}: not a target of the expansion of {state.arm}"
    if current.decided not in _CLOSED:
        return None
    return f"the expansion for {target_key(target)} is {current.decided}: {state.verdicts[target_key(target)].why}"


# Decisions


def new_verdict(design: SimonDesign, state: ArmState, key: str) -> tuple[ExpansionVerdict, ExpansionDecision] | None:
    """Return the two-stage rule's verdict on a target, and the decision that follows, if either is new."""
    current, last = state.expansions[key], state.verdicts.get(key)
    verdict = expansion.judge_expansion(design, current)
    decided = decision_after(current.decided, verdict)
    known = ExpansionAction.CONTINUE_STAGE_ONE if last is None else last.action
    return None if (verdict.action, decided) == (known, current.decided) else (verdict, decided)


def decision_after(earlier: ExpansionDecision, verdict: ExpansionVerdict) -> ExpansionDecision:
    """
    Return the decision on a target after a verdict.

    Futility closes it for good, since those who waited have been assigned elsewhere. Promising targets fill up to their
    total size (Simon 1989), and are complete with it.
    """
    match verdict.action:
        case ExpansionAction.STOP_FOR_FUTILITY:
            return ExpansionDecision.FUTILE
        case _ if earlier in _CLOSED:
            return earlier
        case ExpansionAction.PROMISING:
            full = verdict.total.evaluable == verdict.total.size
            return ExpansionDecision.COMPLETE if full else ExpansionDecision.EFFICACIOUS
        case _:
            return ExpansionDecision.OPEN


def all_decided(state: ArmState) -> bool:
    """Return whether every target of the arm's expansion is futile or complete, so that the arm closes."""
    return bool(state.expansions) and all(current.decided in _CLOSED for current in state.expansions.values())
