"""An arm's slots and queue as a fold over facts (3+3; docs/domain.md, section 4)."""

from collections.abc import Callable
from datetime import date
from typing import assert_never

from decisions.phase_two.places import PlaceFact, apply_place, concerns_place, is_placed
from schemas import facts as f
from schemas.dlt.outcome import DltStatus
from schemas.state.arm import ArmState, SlotRecord, SlotState

SlotFact = f.SlotRequested | f.SlotGiven | f.SlotGivenBack | f.FirstDoseReported | f.StaggerCleared | f.OutcomeReported
DatedFact = SlotFact | f.ResponseReceived | f.ExpansionOpened | f.ExpansionJudged


def apply_slot(state: ArmState, fact: SlotFact) -> ArmState:
    """Return the arm's state after a request, or a fact of a slot: of a cohort, or of a place in Phase 2."""
    if isinstance(fact, PlaceFact) and concerns_place(state, fact):
        return _leave_queue(apply_place(state, fact), fact.subject)
    return _apply_cohort_slot(state, fact)


def _apply_cohort_slot(state: ArmState, fact: SlotFact) -> ArmState:
    match fact:
        case f.SlotRequested():
            return _join_queue(state, fact)
        case f.SlotGiven():
            return _give(state, fact)
        case f.SlotGivenBack():
            return _change_slot(_leave_queue(state, fact.subject), fact.subject, _given_back)
        case f.FirstDoseReported():
            return _change_slot(state, fact.subject, lambda slot: _dosed(slot, fact))
        case f.StaggerCleared():
            return _clear_stagger(state, fact.subject)
        case f.OutcomeReported():
            return _change_slot(state, fact.subject, lambda slot: _judged(slot, fact.status))
        case _:
            assert_never(fact)


def with_latest_day(before: ArmState, state: ArmState, fact: DatedFact) -> ArmState:
    """
    Return `state` with the latest day that a participant's fact reports; unchanged if the fact changed nothing.

    Participants' facts carry their own days: a slot that such a fact opens cannot be used before that day.
    """
    if state == before:
        return state
    match fact:
        case f.FirstDoseReported():
            day: date | None = fact.infused_on
        case f.SlotGivenBack() | f.StaggerCleared() | f.OutcomeReported() | f.ResponseReceived():
            day = fact.occurred_on
        case _:
            day = None
    if day is None or (state.latest_on is not None and day <= state.latest_on):
        return state
    return state.model_copy(update={"latest_on": day})


def _join_queue(state: ArmState, fact: f.SlotRequested) -> ArmState:
    subject = fact.subject
    slot = _latest_slot(state, subject)
    # A request that arrives again must not lead to a second slot; who left undosed may ask anew.
    served = slot is not None and (slot.state is not SlotState.NOT_EVALUABLE or slot.first_infused_on is not None)
    if subject in state.queue or served or is_placed(state, subject):
        return state
    targets = state.targets if fact.target is None else state.targets | {subject: fact.target}
    return state.model_copy(update={"queue": (*state.queue, subject), "targets": targets})


def _give(state: ArmState, fact: f.SlotGiven) -> ArmState:
    slot = SlotRecord(subject=fact.subject, cohort=fact.slot.cohort, level=fact.slot.level, state=SlotState.GIVEN)
    return _leave_queue(state, fact.subject).model_copy(update={"slots": (*state.slots, slot)})


def _given_back(slot: SlotRecord) -> SlotRecord:
    # Only an undosed slot can go back: a dosed participant stays in the cohort's account until the outcome.
    if slot.state is not SlotState.GIVEN:
        return slot
    return slot.model_copy(update={"state": SlotState.NOT_EVALUABLE})


def _dosed(slot: SlotRecord, fact: f.FirstDoseReported) -> SlotRecord:
    # An outcome may be reported before the dose: the date still shows that the participant was treated.
    state = SlotState.DOSED if slot.state is SlotState.GIVEN else slot.state
    return slot.model_copy(update={"state": state, "first_infused_on": slot.first_infused_on or fact.infused_on})


def _judged(slot: SlotRecord, status: DltStatus) -> SlotRecord:
    # An outcome changes only to a DLT that is found later (docs/domain.md, section 3); a DLT is never revoked.
    pending = slot.state in (SlotState.GIVEN, SlotState.DOSED)
    if not pending and status is not DltStatus.DLT:
        return slot
    return slot.model_copy(update={"state": SlotState(status.value)})


def _clear_stagger(state: ArmState, subject: str) -> ArmState:
    slot = _latest_slot(state, subject)
    # The observation of an earlier cohort's first participant must not let the present cohort's others be dosed.
    if slot is None or (slot.cohort, slot.level) != (state.cohort, state.level):
        return state
    return state.model_copy(update={"stagger_cleared": True})


def _leave_queue(state: ArmState, subject: str) -> ArmState:
    queue = tuple(waiting for waiting in state.queue if waiting != subject)
    targets = {waiting: target for waiting, target in state.targets.items() if waiting != subject}
    return state.model_copy(update={"queue": queue, "targets": targets})


def _latest_slot(state: ArmState, subject: str) -> SlotRecord | None:
    return next((slot for slot in reversed(state.slots) if slot.subject == subject), None)


def _change_slot(state: ArmState, subject: str, change: Callable[[SlotRecord], SlotRecord]) -> ArmState:
    latest = _latest_slot(state, subject)
    slots = tuple(change(slot) if slot is latest else slot for slot in state.slots)
    return state.model_copy(update={"slots": slots})
