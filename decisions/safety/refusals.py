"""Refusals about adverse events and their amendments."""

from collections.abc import Sequence

from schemas.problem import Problem, ProblemType
from schemas.safety.reports import EventVersion


def unknown_event(event_id: str, known: Sequence[str]) -> Problem:
    """An amendment names an event that was never reported; `known` are the ids of those that were."""
    return Problem(
        type=ProblemType.UNKNOWN_EVENT,
        field="event_id",
        value=event_id,
        rule="no such adverse event",
        expected=f"one of {', '.join(sorted(known))}" if known else "a new report",
    )


def participant_without_event(subject: str, event_id: str, known: Sequence[str]) -> Problem:
    """A participant has no event of this id; `known` are the ids of those that were reported."""
    return Problem(
        type=ProblemType.UNKNOWN_EVENT,
        field="event_id",
        value=event_id,
        rule=f"{subject} has no such adverse event",
        expected=" or ".join(known) or "an event that was reported; there is none",
    )


def version_changed(newest: EventVersion, expected_version: int) -> Problem:
    """An amendment is of another version than the newest one."""
    return Problem(
        type=ProblemType.VERSION_CHANGED,
        field="version",
        value=str(expected_version),
        rule=f"{newest.event_id} is at version {newest.version}",
        expected=f"{newest.version}, after reading what it says now",
    )


def nothing_amended(newest: EventVersion) -> Problem:
    """An amendment differs in no field from the newest version."""
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field="event",
        value=newest.event_id,
        rule=f"nothing differs from version {newest.version}",
        expected="at least one changed field",
    )
