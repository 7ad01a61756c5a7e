"""
3+3 dose escalation within one arm, as pure functions of the arm's state (docs/domain.md, section 4).

Which slots are free, what the rule recommends to the safety review committee (SRC), and where a decision leads. Counts
are participants; dose levels count from 1 upward. A higher dose is taken to be no less toxic,
so every level at or above one known to be toxic counts as toxic.
"""

from collections import Counter
from typing import assert_never

from decisions.dose.words import in_words
from schemas.commands.commands import DecisionAction
from schemas.protocol import Arm, Escalation
from schemas.state.arm import ArmState, ArmStatus, LevelTally, Recommendation, SlotRecord, SlotState

_PENDING = (SlotState.GIVEN, SlotState.DOSED)
_EVALUABLE = (SlotState.DLT, SlotState.NO_DLT)


# Counts


def tally(state: ArmState, level: int) -> LevelTally:
    """
    Count the participants of one dose level over all its cohorts.

    Evaluable are those with a DLT or a completed window without one; the others are replaced but stay in the treated
    count if they were dosed (docs/domain.md, sections 3 and 4).
    """
    slots = [slot for slot in state.slots if slot.level == level]
    states = Counter(slot.state for slot in slots)
    return LevelTally(
        level=level,
        treated=sum(_is_treated(slot) for slot in slots),
        evaluable=states[SlotState.DLT] + states[SlotState.NO_DLT],
        dlts=states[SlotState.DLT],
        pending=states[SlotState.GIVEN] + states[SlotState.DOSED],
    )


def tallies(state: ArmState, arm: Arm) -> tuple[LevelTally, ...]:
    """Count the participants of every dose level of the arm, the lowest first (docs/domain.md, section 4)."""
    return tuple(tally(state, dose.level) for dose in arm.dose_levels)


def lowest_toxic_level(rules: Escalation, state: ArmState) -> int | None:
    """Return the lowest level with `toxic_at_dlts` DLTs or more, whoever is pending (docs/domain.md, section 4)."""
    dlts = Counter(slot.level for slot in state.slots if slot.state is SlotState.DLT)
    return min((level for level, count in dlts.items() if count >= rules.toxic_at_dlts), default=None)


def is_toxic(rules: Escalation, state: ArmState, level: int) -> bool:
    """Return whether the level, or one below it, is toxic: nobody is dosed there again (docs/domain.md, section 4)."""
    lowest = lowest_toxic_level(rules, state)
    return lowest is not None and level >= lowest


def level_capacity(rules: Escalation, state: ArmState, level: int) -> int:
    """
    Return how many evaluable participants the level is to have before the SRC decides.

    `cohort_size` (1-6) at first, `expanded_size` (2-12) once the SRC expanded, stayed at, or de-escalated to the level
    (docs/domain.md, section 4).
    """
    return rules.expanded_size if level in state.expanded_levels else rules.cohort_size


# Slots


def free_slots(rules: Escalation, state: ArmState) -> int:
    """
    Return how many participants may get a slot at the current level now, 0 or more (docs/domain.md, section 4).

    None while the arm is held, closed or waits for the SRC, be it for a decision or for the review of an earlier one,
    and none at a toxic level, even before everybody's window has closed. Otherwise what the capacity leaves beside the
    evaluable and the pending; and until the cohort's first participant was observed for `stagger_days`, one alone.
    """
    if state.status is not ArmStatus.OPEN or state.holds or state.review_due or is_toxic(rules, state, state.level):
        return 0
    counts = tally(state, state.level)
    places = max(0, level_capacity(rules, state, state.level) - counts.evaluable - counts.pending)
    if rules.stagger_days == 0 or state.stagger_cleared:
        return places
    return 0 if _cohort_has_pending(state) else min(places, 1)


def next_subject(rules: Escalation, state: ArmState) -> str | None:
    """Return the subject to get a slot now: who asked first, if one is free (docs/domain.md, section 4)."""
    return state.queue[0] if state.queue and free_slots(rules, state) > 0 else None


def _cohort_has_pending(state: ArmState) -> bool:
    # Whoever holds the only slot is the cohort's first; when they leave undosed or unevaluable, the next one is.
    cohort = (state.cohort, state.level)
    return any((slot.cohort, slot.level) == cohort and slot.state in _PENDING for slot in state.slots)


def _is_treated(slot: SlotRecord) -> bool:
    return slot.state in (SlotState.DOSED, *_EVALUABLE) or slot.first_infused_on is not None


# The rule


def decision_due(rules: Escalation, state: ArmState) -> bool:
    """
    Return whether the SRC is to be asked now (docs/domain.md, section 4).

    Only once nobody at the current level is pending, for a toxic level too: the committee sees every window closed. And
    not before an earlier decision that was reopened has been reviewed.
    """
    counts = tally(state, state.level)
    if state.status is not ArmStatus.OPEN or state.review_due or counts.pending > 0:
        return False
    full = counts.evaluable >= level_capacity(rules, state, state.level)
    return full or is_toxic(rules, state, state.level)


def recommend(rules: Escalation, arm: Arm, state: ArmState) -> Recommendation:
    """
    Return what the 3+3 rule recommends on the present counts (docs/domain.md, section 4).

    The level is the one to go on at or the RP2D; none when the arm stops because its lowest level is toxic.
    """
    counts = tally(state, state.level)
    here = in_words(counts)
    if is_toxic(rules, state, state.level):
        return _recommend_below(rules, arm, state)
    if counts.evaluable < rules.cohort_size:
        why = f"{here}: fewer than the {rules.cohort_size} of a cohort"
        return _recommendation(arm, state, DecisionAction.STAY, state.level, why)
    if counts.dlts > 0 and counts.evaluable < rules.expanded_size:
        why = f"{here}: {rules.expanded_size} evaluable are needed before going on"
        return _recommendation(arm, state, DecisionAction.EXPAND, state.level, why)
    above = _level_above(arm, state)
    if above is not None and not is_toxic(rules, state, above):
        why = f"{here}: fewer than {rules.toxic_at_dlts} DLTs, level {above} comes next"
        return _recommendation(arm, state, DecisionAction.ESCALATE, above, why)
    return _recommend_at_highest(rules, arm, state, counts)


def _recommend_at_highest(rules: Escalation, arm: Arm, state: ArmState, counts: LevelTally) -> Recommendation:
    above = _level_above(arm, state)
    limit = "no higher dose level" if above is None else f"level {above} is toxic"
    if not supports_rp2d(rules, counts):
        why = f"{in_words(counts)}, {limit}: an RP2D needs {rules.expanded_size} evaluable"
        return _recommendation(arm, state, DecisionAction.EXPAND, state.level, why)
    why = f"{in_words(counts)}, {limit}: the highest level with fewer than {rules.toxic_at_dlts} DLTs"
    return _recommendation(arm, state, DecisionAction.DECLARE_RP2D, state.level, why)


def _recommend_below(rules: Escalation, arm: Arm, state: ArmState) -> Recommendation:
    toxic = tally(state, lowest_toxic_level(rules, state) or state.level)
    because = f"{in_words(toxic)}: toxic at {rules.toxic_at_dlts}"
    below = level_below(rules, arm, state)
    if below is None:
        why = f"{because}, and there is no lower dose level"
        return _recommendation(arm, state, DecisionAction.STOP, None, why)
    counts = tally(state, below)
    if counts.evaluable >= rules.expanded_size:
        why = f"{because}; {in_words(counts)}: enough to declare it"
        return _recommendation(arm, state, DecisionAction.DECLARE_RP2D, below, why)
    why = f"{because}; {in_words(counts)}: fill it to {rules.expanded_size} evaluable"
    return _recommendation(arm, state, DecisionAction.DE_ESCALATE, below, why)


def _recommendation(arm: Arm, state: ArmState, action: DecisionAction, level: int | None, why: str) -> Recommendation:
    return Recommendation(action=action, level=level, why=why, tallies=tallies(state, arm))


def supports_rp2d(rules: Escalation, counts: LevelTally) -> bool:
    """
    Return whether a level's counts are enough to declare it the RP2D (docs/domain.md, section 4).

    Fewer than `toxic_at_dlts` DLTs in `expanded_size` evaluable, or a first cohort without a DLT if the protocol does
    not require the expanded one.
    """
    if counts.dlts >= rules.toxic_at_dlts:
        return False
    if counts.evaluable >= rules.expanded_size:
        return True
    # Without the requirement a clean first cohort is enough; one with a DLT never is (docs/domain.md, section 4).
    clean_cohort = counts.dlts == 0 and counts.evaluable >= rules.cohort_size
    return clean_cohort and not rules.require_expanded_cohort_for_rp2d


def _level_above(arm: Arm, state: ArmState) -> int | None:
    return min((dose.level for dose in arm.dose_levels if dose.level > state.level), default=None)


def level_below(rules: Escalation, arm: Arm, state: ArmState) -> int | None:
    """Return the next level below the current one that is not toxic, if there is one."""
    lower = [dose.level for dose in arm.dose_levels if dose.level < state.level]
    return max((level for level in lower if not is_toxic(rules, state, level)), default=None)


# The committee's decision


def closes_arm(action: DecisionAction) -> bool:
    """Return whether the arm's escalation ends with this decision: it stops, or its RP2D is declared."""
    return action in (DecisionAction.STOP, DecisionAction.DECLARE_RP2D)


def exposure(action: DecisionAction, level: int | None) -> tuple[int, bool]:
    """
    Return a key that orders decisions by caution: the smaller, the more cautious.

    What counts is the dose level that later participants get; stopping is below every level. At one level, to declare
    it the RP2D is less cautious than to treat more participants there first, since nothing is decided after it:

        STOP < de-escalate to L, stay at L, expand at L, escalate to L (all alike) < declare L < anything at L + 1

    A design choice on top of the docs/domain.md, section 4, which know only 'escalate', 'expand' and 'de-escalate'.
    """
    return (0 if level is None else level, action is DecisionAction.DECLARE_RP2D)


def resulting_level(
    rules: Escalation, arm: Arm, state: ArmState, action: DecisionAction, level: int | None
) -> int | None:
    """
    Return the dose level (1 upward) that a decision leads to, or the RP2D; none for a stop.

    A level left out is the recommended one where the action is the recommended one; otherwise the next level up or
    down, or the current one. None too where there is no such level: `check_decision` refuses that.
    """
    if action is DecisionAction.STOP:
        return None
    if level is not None:
        return level
    recommended = recommend(rules, arm, state)
    return recommended.level if action is recommended.action else _default_level(rules, arm, state, action)


def _default_level(rules: Escalation, arm: Arm, state: ArmState, action: DecisionAction) -> int | None:
    match action:
        case DecisionAction.STOP:
            return None
        case DecisionAction.ESCALATE:
            return _level_above(arm, state)
        case DecisionAction.DE_ESCALATE:
            return level_below(rules, arm, state)
        case DecisionAction.EXPAND | DecisionAction.STAY | DecisionAction.DECLARE_RP2D:
            return state.level
        case _:
            assert_never(action)
