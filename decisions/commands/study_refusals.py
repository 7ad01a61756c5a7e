"""Refusals of commands to a study: its start, enrolment and holds."""

from collections.abc import Iterable

from decisions.commands.refusals import invalid_input
from schemas.problem import Problem, ProblemType


def study_already_started(study: str) -> Problem:
    """A study id is used once."""
    return invalid_input("study", study, "was started before", "a study id that was never used")


def subject_already_enrolled(study: str, subject: str) -> Problem:
    """A subject id is used once in a study."""
    return Problem(
        type=ProblemType.SUBJECT_ALREADY_ENROLLED,
        field="subject",
        value=subject,
        rule=f"is enrolled already in {study}",
        expected="a subject id that was never used",
    )


def enrolment_on_hold(study: str) -> Problem:
    """Nobody is enrolled while the study is held."""
    return Problem(
        type=ProblemType.ON_HOLD,
        field="study",
        value=study,
        rule="the study is held: no participant is enrolled",
        expected="the hold to be lifted first",
    )


def unknown_arm(arm: str, arms: Iterable[str]) -> Problem:
    """The protocol has no such arm; `arms` are those that it has."""
    return Problem(
        type=ProblemType.UNKNOWN_ARM,
        field="arm",
        value=arm,
        rule="is not an arm of this study",
        expected=" or ".join(arms),
    )


def nothing_to_lift(scope: str, holds: Iterable[str]) -> Problem:
    """No hold of this scope (an arm, or 'study') is in force; `holds` are the scopes that are held."""
    return Problem(
        type=ProblemType.NOTHING_TO_LIFT,
        field="arm",
        value=scope,
        rule="is not held",
        expected=" or ".join(holds) or "no hold is in force",
    )
