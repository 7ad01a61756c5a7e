"""Refusals of a decision or a review of the safety review committee."""

from collections.abc import Iterable

from decisions.dose.words import decision_name, in_words
from schemas.commands.commands import DecisionAction
from schemas.problem import Problem, ProblemType
from schemas.protocol import Arm, Escalation
from schemas.state.arm import ArmState, LevelTally, Recommendation

# Whether a decision is due


def arm_closed(state: ArmState, cohort: int) -> Problem:
    """The arm is closed: nothing is decided any more."""
    return _not_due(cohort, f"arm {state.arm} is closed", "no decision")


def other_cohort(state: ArmState, cohort: int) -> Problem:
    """The decision is on another cohort than the arm's present one."""
    return _not_due(cohort, f"the arm is at cohort {state.cohort}", str(state.cohort))


def other_cohort_in_review(state: ArmState, cohort: int) -> Problem:
    """The review of an earlier decision names another cohort than the arm's present one."""
    rule = f"the arm is at cohort {state.cohort}, and an earlier decision is under review"
    return _not_due(cohort, rule, str(state.cohort))


def cohort_incomplete(cohort: int, counts: LevelTally, capacity: int) -> Problem:
    """The level has fewer evaluable participants than `capacity`."""
    rule = f"level {counts.level} has {counts.evaluable} of {capacity} evaluable"
    return _not_due(cohort, rule, "a decision once the cohort is complete")


def window_open(cohort: int, counts: LevelTally) -> Problem:
    """Participants at the level are not dosed yet, or in their DLT window."""
    rule = f"{counts.pending} participant(s) at level {counts.level} are pending: not dosed yet, or in their DLT window"
    return Problem(
        type=ProblemType.WINDOW_OPEN,
        field="cohort",
        value=str(cohort),
        rule=rule,
        expected="a decision after the last window closes",
    )


# Where a decision leads


def level_for_stop(level: int) -> Problem:
    """A stop of the arm names a dose level."""
    return _out_of_range("level", str(level), "stopping the arm leads to no dose level", "no level")


def unknown_level(arm: Arm, action: DecisionAction, level: int | None) -> Problem:
    """The action leads to a dose level that the arm does not have, or to none."""
    existing = [dose.level for dose in arm.dose_levels]
    rule = f"'{action}' needs a dose level of arm {arm.id}"
    value = "none" if level is None else str(level)
    return _out_of_range("level", value, rule, f"{existing[0]} to {existing[-1]}")


def wrong_direction(action: DecisionAction, current: int, level: int, expected: str) -> Problem:
    """The action does not lead from the current level to this one, such as an escalation to a lower level."""
    rule = f"'{action}' does not lead from level {current} to level {level}"
    return _out_of_range("level", str(level), rule, expected)


def level_full(rules: Escalation, action: DecisionAction, counts: LevelTally) -> Problem:
    """The level has as many evaluable participants as it may have."""
    rule = f"{in_words(counts)} of at most {rules.expanded_size}: nobody more is treated there"
    expected = f"declare_rp2d at level {counts.level}, a lower level, or stop"
    return _out_of_range("action", decision_name(action, counts.level), rule, expected)


def not_a_review_action(
    recommended: Recommendation, under_review: str, name: str, allowed: Iterable[DecisionAction]
) -> Problem:
    """A review comes to neither what the rule recommends nor one of the allowed actions; `name` is what it comes to."""
    expected = f"{decision_name(recommended.action, recommended.level)}, or {', '.join(allowed)}"
    return _out_of_range("action", name, under_review, expected)


# Caution and reasons


def less_cautious(recommended: Recommendation, action: DecisionAction, level: int | None, rule: str) -> Problem:
    """A decision is less cautious than the rule's recommendation."""
    expected = f"{decision_name(recommended.action, recommended.level)}, or a more cautious decision with a reason"
    return Problem(
        type=ProblemType.LESS_CAUTIOUS_THAN_RULE,
        field="action",
        value=decision_name(action, level),
        rule=rule,
        expected=expected,
    )


def reason_required(recommended: Recommendation) -> Problem:
    """A decision other than the recommended one has no reason."""
    name = decision_name(recommended.action, recommended.level)
    return Problem(
        type=ProblemType.REASON_REQUIRED,
        field="reason",
        value="none",
        rule=f"a decision other than the recommended {name} needs a reason",
        expected="a reason in words",
    )


def _not_due(cohort: int, rule: str, expected: str) -> Problem:
    return Problem(type=ProblemType.NO_DECISION_DUE, field="cohort", value=str(cohort), rule=rule, expected=expected)


def _out_of_range(field: str, value: str, rule: str, expected: str) -> Problem:
    return Problem(type=ProblemType.OUT_OF_RANGE, field=field, value=value, rule=rule, expected=expected)
