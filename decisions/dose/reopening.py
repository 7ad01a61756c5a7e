"""
Decisions that later safety data put in question, and the committee's review of them (docs/domain.md, sections 3 and 4).

A participant of a decided cohort may turn out to have a DLT, or an event that may become one. When the rule, on the
counts of today, would not have led to the dose level that participants get now, the decision is reopened: nobody is
given a slot until the safety review committee (SRC) has reviewed it.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from decisions.dose import refusals
from decisions.dose.committee_decision import check_level, check_reason, check_room
from decisions.dose.escalation import exposure, is_toxic, level_below, recommend, tally
from decisions.dose.words import decision_name, in_words
from schemas.commands.commands import DecisionAction
from schemas.problem import Problem
from schemas.protocol import Arm, Escalation
from schemas.safety.summary import OPEN_DLT, Finding, ReportedEvent
from schemas.state.arm import ArmState, ArmStatus, DecisionRecord, Recommendation, SlotRecord, SlotState

REVIEW_ACTIONS = (DecisionAction.STAY, DecisionAction.DE_ESCALATE, DecisionAction.STOP)
"""The actions that a review may take, beside the recommended one."""


def reopened(rules: Escalation, arm: Arm, before: ArmState, after: ArmState, today: date) -> tuple[Finding, ...]:
    """
    Return which earlier decisions are put in question by the change from `before` to `after`, and why.

    The change is a participant's first DLT, or an event that may count as one and did not before. It reopens a decision
    on the participant's own cohort or a later one when the rule's recommendation at that decision's level changes with
    it, and both the decision and the present dose level are less cautious than the rule's present recommendation. An
    event that is not judged yet is counted as if it were a DLT. `today` is the day on which the change is known.
    """
    return tuple(
        _finding(rules, arm, decision, trigger, today)
        for trigger in _triggers(before, after)
        for decision in after.decisions
        if _covers(decision, trigger.slot) and _is_in_question(rules, arm, before, trigger.counted, decision)
    )


def recommend_now(rules: Escalation, arm: Arm, state: ArmState) -> Recommendation:
    """Return what the rule recommends: for the review of an earlier decision if one is due, else for the cohort."""
    return recommend_review(rules, arm, state) if state.review_due else recommend(rules, arm, state)


def recommend_review(rules: Escalation, arm: Arm, state: ArmState) -> Recommendation:
    """
    Return what the rule recommends for the present level while an earlier decision is under review.

    At a toxic level it is the rule's ordinary recommendation. Otherwise the arm returns to the level at which the rule
    would have kept it on the present counts (from Phase 2: to the escalation at that level), or stays at its level if
    the rule confirms the decisions under review.
    """
    here = recommend(rules, arm, state)
    if is_toxic(rules, state, state.level):
        return here
    under_review = [decision for decision in state.decisions if decision.cohort in state.reviewing]
    today = [(_recommend_at(rules, arm, state, decision), decision) for decision in under_review if _decides(decision)]
    lower = [each for each in today if exposure(each[0].action, each[0].level) < _in_force(state)]
    if not lower:
        why = (
            f"{in_words(tally(state, state.level))}: not toxic, and the decisions under review stand by today's counts"
        )
        return here.model_copy(update={"action": DecisionAction.STAY, "level": state.level, "why": why})
    kept, decision = min(lower, key=lambda each: exposure(each[0].action, each[0].level))
    why = f"by today's counts cohort {decision.cohort} leads to '{decision_name(kept.action, kept.level)}': {kept.why}"
    # An RP2D that lacks its data is revoked at its own level: more are treated there first.
    action = DecisionAction.EXPAND if kept.level == state.level else DecisionAction.DE_ESCALATE
    return here.model_copy(update={"action": action, "level": kept.level, "why": why})


def review_level(rules: Escalation, arm: Arm, state: ArmState, action: DecisionAction, level: int | None) -> int | None:
    """Return the dose level (1 upward) that a review leads to, or the RP2D; none for a stop or without such a level."""
    if action is DecisionAction.STOP:
        return None
    if level is not None:
        return level
    recommended = recommend_review(rules, arm, state)
    if action is recommended.action:
        return recommended.level
    return level_below(rules, arm, state) if action is DecisionAction.DE_ESCALATE else state.level


def check_review(
    rules: Escalation,
    arm: Arm,
    state: ArmState,
    *,
    cohort: int,
    action: DecisionAction,
    level: int | None,
    reason: str | None,
) -> Problem | None:
    """
    Return the refusal of the committee's review, or `None`.

    The review names the present cohort, whose windows may be open. What the rule recommends is accepted. With a reason,
    so are the present level unless it is toxic, a lower level with free places, and the stop; no higher level is.
    """
    recommended = recommend_review(rules, arm, state)
    decided = review_level(rules, arm, state, action, level)
    problem = _check_cohort(state, cohort) or check_level(arm, state, action, level, decided)
    if problem is not None or (action, decided) == (recommended.action, recommended.level):
        return problem
    return (
        _check_action(recommended, state, action, decided)
        or _check_toxic(rules, state, recommended, action, decided)
        or (check_room(rules, state, action, decided) if action is DecisionAction.DE_ESCALATE else None)
        or check_reason(recommended, reason)
    )


class _Trigger(NamedTuple):
    """A participant's DLT, or an event that may be one (`judged` false), and the arm's state that counts it as one."""

    slot: SlotRecord
    counted: ArmState
    about: str
    judged: bool


def _triggers(before: ArmState, after: ArmState) -> Iterator[_Trigger]:
    earlier = {(slot.subject, slot.cohort, slot.level): slot.state for slot in before.slots}
    for slot in after.slots:
        was = earlier.get((slot.subject, slot.cohort, slot.level))
        if slot.state is SlotState.DLT and was is not SlotState.DLT:
            yield _Trigger(slot, after, f"{_who(slot)} has a DLT", judged=True)
    for subject in after.summaries:
        slot_now = next((slot for slot in reversed(after.slots) if slot.subject == subject), None)
        for event in _opened_events(before, after, subject):
            if slot_now is not None and slot_now.state is not SlotState.DLT:
                about = f"{_who(slot_now)} may have a DLT: {event.event_id}, {event.term}, {event.dlt}"
                yield _Trigger(slot_now, _as_dlt(after, slot_now), about, judged=False)


def _who(slot: SlotRecord) -> str:
    return f"{slot.subject} (cohort {slot.cohort}, level {slot.level})"


def _opened_events(before: ArmState, after: ArmState, subject: str) -> list[ReportedEvent]:
    summary = before.summaries.get(subject)
    known = {event.event_id for event in summary.events if event.dlt in OPEN_DLT} if summary else set()
    return [e for e in after.summaries[subject].events if e.dlt in OPEN_DLT and e.event_id not in known]


def _as_dlt(state: ArmState, wanted: SlotRecord) -> ArmState:
    slots = tuple(s.model_copy(update={"state": SlotState.DLT}) if s is wanted else s for s in state.slots)
    return state.model_copy(update={"slots": slots})


def _decides(decision: DecisionRecord) -> bool:
    # A review that lets the cohort continue only confirms earlier decisions; those are compared themselves.
    return not decision.reviews or decision.action is not DecisionAction.STAY


def _covers(decision: DecisionRecord, slot: SlotRecord) -> bool:
    return _decides(decision) and slot.cohort <= decision.cohort


def _is_in_question(rules: Escalation, arm: Arm, before: ArmState, counted: ArmState, decision: DecisionRecord) -> bool:
    then, now = (_recommend_at(rules, arm, state, decision) for state in (before, counted))
    if (then.action, then.level) == (now.action, now.level):
        return False
    limit = exposure(now.action, now.level)
    return exposure(decision.action, decision.level) > limit and _in_force(counted) > limit


def _in_force(state: ArmState) -> tuple[int, bool]:
    if state.status in (ArmStatus.CLOSED, ArmStatus.EXPANSION):
        stopped = state.rp2d_level is None
        return exposure(DecisionAction.STOP if stopped else DecisionAction.DECLARE_RP2D, state.rp2d_level)
    return exposure(DecisionAction.STAY, state.level)


def _recommend_at(rules: Escalation, arm: Arm, state: ArmState, decision: DecisionRecord) -> Recommendation:
    return recommend(rules, arm, state.model_copy(update={"level": decision.from_level}))


def _finding(rules: Escalation, arm: Arm, decision: DecisionRecord, trigger: _Trigger, today: date) -> Finding:
    now = _recommend_at(rules, arm, trigger.counted, decision)
    decided = decision_name(decision.action, decision.level)
    then = tally(trigger.counted, decision.from_level).model_copy(
        update={"dlts": decision.dlts, "evaluable": decision.evaluable}
    )
    levels = sorted({decision.from_level, trigger.slot.level})
    counts = ", ".join(in_words(tally(trigger.counted, level)) for level in levels)
    condition = "" if trigger.judged else "if it counts, "
    return Finding(
        cohort=decision.cohort,
        about=trigger.about,
        known_then=(
            f"{decision.decided_at.date()}: {in_words(then)}; the rule recommended '{decision.recommended}', "
            f"decided was '{decided}'"
        ),
        known_now=f"{today}: {condition}{counts}; the rule says '{decision_name(now.action, now.level)}'",
    )


def _check_cohort(state: ArmState, cohort: int) -> Problem | None:
    if cohort == state.cohort:
        return None
    return refusals.other_cohort_in_review(state, cohort)


def _check_action(
    recommended: Recommendation, state: ArmState, action: DecisionAction, decided: int | None
) -> Problem | None:
    if action in REVIEW_ACTIONS:
        return None
    under_review = ", ".join(str(cohort) for cohort in state.reviewing)
    rule = f"the decision on cohort {under_review} is under review"
    if exposure(action, decided) > exposure(DecisionAction.STAY, state.level):
        return refusals.less_cautious(recommended, action, decided, rule)
    return refusals.not_a_review_action(recommended, rule, decision_name(action, decided), REVIEW_ACTIONS)


def _check_toxic(
    rules: Escalation, state: ArmState, recommended: Recommendation, action: DecisionAction, decided: int | None
) -> Problem | None:
    if decided is None or not is_toxic(rules, state, decided):
        return None
    rule = f"level {decided} is at or above a toxic level; {recommended.why}"
    return refusals.less_cautious(recommended, action, decided, rule)
