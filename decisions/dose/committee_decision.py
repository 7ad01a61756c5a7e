"""
Whether a decision of the safety review committee (SRC) on an arm's cohort is accepted (docs/domain.md, section 4).

Pure functions of the arm's state; a refusal names what would be accepted.
"""

from typing import assert_never

from decisions.dose import refusals
from decisions.dose.escalation import (
    decision_due,
    exposure,
    is_toxic,
    level_capacity,
    recommend,
    resulting_level,
    supports_rp2d,
    tally,
)
from decisions.dose.words import in_words
from schemas.commands.commands import DecisionAction
from schemas.problem import Problem
from schemas.protocol import Arm, Escalation
from schemas.state.arm import ArmState, ArmStatus, Recommendation


def check_decision(
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
    Return the refusal of a decision of the SRC, or `None` (docs/domain.md, section 4).

    The rule's present recommendation is always accepted; a late DLT may have changed it since the committee was asked.
    A more cautious decision (see `exposure`) is accepted with a reason. A less cautious one is refused, and so is a
    level that is toxic, does not exist, skips one upward, or has no free place.
    """
    decided = resulting_level(rules, arm, state, action, level)
    recommended = recommend(rules, arm, state)
    problem = _check_due(rules, state, cohort) or check_level(arm, state, action, level, decided)
    if problem is not None or (action, decided) == (recommended.action, recommended.level):
        return problem
    return (
        _check_caution(rules, state, recommended, action, decided)
        or _check_declaration(rules, state, recommended, action, decided)
        or check_room(rules, state, action, decided)
        or check_reason(recommended, reason)
    )


def _check_due(rules: Escalation, state: ArmState, cohort: int) -> Problem | None:
    if state.status is ArmStatus.CLOSED:
        return refusals.arm_closed(state, cohort)
    if cohort != state.cohort:
        return refusals.other_cohort(state, cohort)
    counts = tally(state, state.level)
    if counts.pending > 0:
        return refusals.window_open(cohort, counts)
    if state.status is not ArmStatus.DECISION_DUE and not decision_due(rules, state):
        return refusals.cohort_incomplete(cohort, counts, level_capacity(rules, state, state.level))
    return None


def check_level(
    arm: Arm, state: ArmState, action: DecisionAction, level: int | None, decided: int | None
) -> Problem | None:
    """Return the refusal of an action that does not lead to the level `decided`; `level` is the one asked for."""
    if action is DecisionAction.STOP:
        return None if level is None else refusals.level_for_stop(level)
    if decided is None or decided not in [dose.level for dose in arm.dose_levels]:
        return refusals.unknown_level(arm, action, decided)
    fits, expected = _direction(action, decided, state.level)
    return None if fits else refusals.wrong_direction(action, state.level, decided, expected)


def _direction(action: DecisionAction, decided: int, current: int) -> tuple[bool, str]:
    match action:
        case DecisionAction.ESCALATE:
            return decided > current, f"the level above {current}"
        case DecisionAction.DE_ESCALATE:
            return decided < current, f"a level below {current}"
        case DecisionAction.EXPAND | DecisionAction.STAY:
            return decided == current, f"level {current}"
        case DecisionAction.DECLARE_RP2D:
            return True, "any level that has the data for it"
        case DecisionAction.STOP:
            return False, "no level"
        case _:
            assert_never(action)


def _check_caution(
    rules: Escalation, state: ArmState, recommended: Recommendation, action: DecisionAction, decided: int | None
) -> Problem | None:
    if exposure(action, decided) <= exposure(recommended.action, recommended.level):
        return None
    rule = recommended.why
    if decided is not None and is_toxic(rules, state, decided):
        rule = f"level {decided} is at or above a toxic level; {rule}"
    return refusals.less_cautious(recommended, action, decided, rule)


def _check_declaration(
    rules: Escalation, state: ArmState, recommended: Recommendation, action: DecisionAction, decided: int | None
) -> Problem | None:
    if action is not DecisionAction.DECLARE_RP2D or decided is None:
        return None
    counts = tally(state, decided)
    if supports_rp2d(rules, counts):
        return None
    rule = f"{in_words(counts)}: an RP2D needs {rules.expanded_size} with fewer than {rules.toxic_at_dlts} DLTs"
    return refusals.less_cautious(recommended, action, decided, rule)


def check_room(rules: Escalation, state: ArmState, action: DecisionAction, decided: int | None) -> Problem | None:
    """Return the refusal of more participants at a level that has its full count."""
    # To treat more at a level that has its full count would ask the committee again at once, without end.
    if decided is None or action in (DecisionAction.ESCALATE, DecisionAction.DECLARE_RP2D):
        return None
    counts = tally(state, decided)
    if counts.evaluable < rules.expanded_size:
        return None
    return refusals.level_full(rules, action, counts)


def check_reason(recommended: Recommendation, reason: str | None) -> Problem | None:
    """Return the refusal of a decision other than the recommended one without a reason."""
    if reason is not None and reason.strip():
        return None
    return refusals.reason_required(recommended)
