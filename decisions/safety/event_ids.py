"""How a participant's adverse events and their reports are named."""

from schemas.safety.reports import ReportKind
from schemas.state.participant import ParticipantState


def event_id(number: int) -> str:
    """Return the id of a participant's adverse event by its number, counted from 1: 'AE-001'."""
    return f"AE-{number:03d}"


def event_index(state: ParticipantState, wanted: str) -> int | None:
    """Return the index (from 0) of the event with this id among the participant's events, if there is one."""
    number = int(wanted.removeprefix("AE-"))
    return number - 1 if 1 <= number <= len(state.adverse_events) else None


def report_key(wanted: str, kind: ReportKind) -> str:
    """Return the key of an event's report in the state, 'sae-AE-001'; it is the step of the report's task, too."""
    return f"{kind.value}-{wanted}"
