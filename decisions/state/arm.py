"""An arm's state as a fold over facts: the workflow, the read model and the auditor share it."""

from collections.abc import Callable, Iterable
from datetime import date
from functools import reduce
from typing import assert_never

from decisions.dose.escalation import closes_arm, tally
from decisions.phase_two.places import apply_expansion, apply_place, concerns_place, is_placed, subjects_undosed
from decisions.safety.records import fired_rule
from schemas import facts as f
from schemas.base import Role
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import DltStatus
from schemas.schedule.task import Task
from schemas.state.arm import ArmState, ArmStatus, DecisionRecord, SlotRecord, SlotState

_SlotFact = f.SlotRequested | f.SlotGiven | f.SlotGivenBack | f.FirstDoseReported | f.StaggerCleared | f.OutcomeReported
_TaskFact = f.TaskOpened | f.TaskReminded | f.TaskEscalated | f.TaskClosed
_DecisionFact = f.DecisionAsked | f.Decided | f.ArmClosed
_HoldFact = f.HoldPlaced | f.HoldLifted
_CommitteeFact = f.SafetyReceived | f.DelegationChanged | f.DecisionReopened | f.DecisionReviewed


def open_arm(fact: f.ArmOpened) -> ArmState:
    """Begin an arm's state with its first fact: cohort 1 at the fact's dose level, nobody treated."""
    return ArmState(study=fact.study, arm=fact.arm, level=fact.level)


def fold(facts: Iterable[f.ArmFact]) -> ArmState:
    """Fold all facts of an arm; raise `ValueError` when they do not begin with its opening."""
    first, *rest = facts
    if not isinstance(first, f.ArmOpened):
        raise ValueError(f"an arm's facts begin with arm_opened, not {first.kind}")  # noqa: TRY004 - the facts are wrong, not the type
    return reduce(apply_arm, rest, open_arm(first))


def apply_arm(state: ArmState, fact: f.ArmFact) -> ArmState:  # noqa: PLR0911 - one case a kind of fact
    """
    Return the arm's state after one more fact.

    Slots belong to a cohort and a dose level and are kept for ever. Which slots may be given and what may be decided
    is not judged here but in `decisions.escalation` (docs/domain.md, section 4).
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
            return _dated(state, _apply_slot(state, fact), fact)
        case f.TaskOpened() | f.TaskReminded() | f.TaskEscalated() | f.TaskClosed():
            return _apply_task(state, fact)
        case f.DecisionAsked() | f.Decided() | f.ArmClosed():
            return _apply_decision(state, fact)
        case f.HoldPlaced() | f.HoldLifted():
            return _apply_hold(state, fact)
        case f.SafetyReceived() | f.DelegationChanged() | f.DecisionReopened() | f.DecisionReviewed():
            return _apply_committee(state, fact)
        case f.StoppingRuleFired():
            return state.model_copy(update={"fired": (*state.fired, fired_rule(fact.finding, fact.at.date()))})
        case f.ResponseReceived():
            return _dated(state, apply_expansion(state, fact), fact)
        case f.ExpansionOpened() | f.ExpansionJudged():
            return apply_expansion(state, fact)
        case _:
            assert_never(fact)


def _dated(before: ArmState, state: ArmState, fact: _SlotFact | f.ResponseReceived) -> ArmState:
    # Participants' facts carry their own days: a slot that such a fact opens cannot be used before that day.
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


def _apply_slot(state: ArmState, fact: _SlotFact) -> ArmState:  # noqa: PLR0911 - one case a fact
    match fact:
        case f.SlotRequested():
            return _wait(state, fact)
        case f.SlotGiven() | f.SlotGivenBack() | f.FirstDoseReported() | f.OutcomeReported() if concerns_place(
            state, fact
        ):
            return _leave_queue(apply_place(state, fact), fact.subject)
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


def _wait(state: ArmState, fact: f.SlotRequested) -> ArmState:
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
    # An outcome stands, but for a DLT that is found later (docs/domain.md, section 3); a DLT is never taken back.
    pending = slot.state in (SlotState.GIVEN, SlotState.DOSED)
    if not pending and status is not DltStatus.DLT:
        return slot
    return slot.model_copy(update={"state": SlotState(status.value)})


def _clear_stagger(state: ArmState, subject: str) -> ArmState:
    slot = _latest_slot(state, subject)
    # News of an earlier cohort's first participant must not let the present cohort's others be dosed.
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


def _apply_task(state: ArmState, fact: _TaskFact) -> ArmState:
    match fact:
        case f.TaskOpened():
            tasks = state.tasks | {fact.task.id: fact.task}
            return state.model_copy(update={"tasks": tasks, "tasks_opened": state.tasks_opened + 1})
        case f.TaskReminded():
            return _mark_task(state, fact.task_id, {"reminded": True})
        case f.TaskEscalated():
            return _mark_task(state, fact.task_id, {"reminded": True, "escalated": True})
        case f.TaskClosed():
            tasks = {key: task for key, task in state.tasks.items() if key != fact.task_id}
            closed = state.closed_tasks | {fact.task_id: fact.end}
            return state.model_copy(update={"tasks": tasks, "closed_tasks": closed})
        case _:
            assert_never(fact)


def _mark_task(state: ArmState, task_id: str, marks: dict[str, bool]) -> ArmState:
    marked: dict[str, Task] = {
        key: task.model_copy(update=marks) if key == task_id else task for key, task in state.tasks.items()
    }
    return state.model_copy(update={"tasks": marked})


def _apply_decision(state: ArmState, fact: _DecisionFact) -> ArmState:
    match fact:
        case f.DecisionAsked():
            asked = {"status": ArmStatus.DECISION_DUE, "recommendation": fact.recommendation}
            return state.model_copy(update=asked)
        case f.Decided():
            return _decide(state, fact)
        case f.ArmClosed():
            closed: dict[str, object] = {
                "status": ArmStatus.CLOSED,
                "rp2d_level": fact.rp2d_level,
                "queue": (),
                "targets": {},
            }
            return state.model_copy(update=closed)
        case _:
            assert_never(fact)


def _apply_committee(state: ArmState, fact: _CommitteeFact) -> ArmState:
    match fact:
        case f.SafetyReceived():
            return state.model_copy(update={"summaries": state.summaries | {fact.summary.subject: fact.summary}})
        case f.DelegationChanged():
            return state.model_copy(update={"signers": _signers(state, fact)})
        case f.DecisionReopened():
            return _reopen(state, fact)
        case f.DecisionReviewed():
            return _review(state, fact)
        case _:
            assert_never(fact)


def _signers(state: ArmState, fact: f.DelegationChanged) -> tuple[str, ...]:
    if fact.delegated_role is not Role.COMMITTEE:
        return state.signers
    others = {person for person in state.signers if person != fact.person}
    return tuple(sorted(others | {fact.person} if fact.delegated else others))


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
        return _go_on(decided)
    return _open_cohort(decided, fact)


def _go_on(state: ArmState) -> ArmState:
    # The review leaves the present cohort as it is; had it been due for a decision, that is asked for anew.
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
            # The rule itself says 'stay' only while the first cohort is not full: that leaves its size as it is.
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


def _apply_hold(state: ArmState, fact: _HoldFact) -> ArmState:
    match fact:
        case f.HoldPlaced():
            return state.model_copy(update={"holds": tuple(sorted({*state.holds, fact.scope}))})
        case f.HoldLifted():
            return state.model_copy(update={"holds": tuple(scope for scope in state.holds if scope != fact.scope)})
        case _:
            assert_never(fact)
