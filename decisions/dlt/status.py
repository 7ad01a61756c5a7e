"""
The status of each event as a dose-limiting toxicity, from the rule's finding and the investigator's adjudication.

An adjudication is of the event as it was then. When an amendment changes what it was judged by
(`decisions.safety.amendments.upgraded`), the adjudication no longer counts, and the rule's finding does again.
"""

from datetime import date, timedelta

from schemas.safety.reports import DltFindingStatus
from schemas.safety.summary import OPEN_DLT, EventDlt
from schemas.state.participant import ParticipantState

_FOUND = {
    DltFindingStatus.NONE: EventDlt.NONE,
    DltFindingStatus.PENDING: EventDlt.PENDING,
    DltFindingStatus.CANDIDATE: EventDlt.CANDIDATE,
}


def dlt_status_of(state: ParticipantState, event_id: str) -> EventDlt:
    """Return an event's DLT status; an adjudication goes before the rule's finding."""
    adjudication = state.adjudications.get(event_id)
    if adjudication is not None:
        return EventDlt.CONFIRMED if adjudication.dose_limiting else EventDlt.REJECTED
    finding = state.dlt_findings.get(event_id)
    return EventDlt.NONE if finding is None else _FOUND[finding.status]


def open_events(state: ParticipantState) -> tuple[str, ...]:
    """Return the events that may turn out dose-limiting: pending, or candidates that nobody has adjudicated."""
    return tuple(event_id for event_id in state.dlt_findings if dlt_status_of(state, event_id) in OPEN_DLT)


def criterion_of(state: ParticipantState, event_id: str) -> str | None:
    """Return the protocol's criterion that an event meets or may still meet, if there is one."""
    finding = state.dlt_findings.get(event_id)
    return None if finding is None else finding.criterion


def next_review_on(state: ParticipantState) -> date | None:
    """Return the first day on which a pending finding must be made again: the day after its `until`."""
    days = (finding.until for event, finding in state.dlt_findings.items() if _is_pending(state, event))
    return min((day + timedelta(days=1) for day in days if day is not None), default=None)


def due_events(state: ParticipantState, today: date) -> tuple[str, ...]:
    """Return the pending events to be judged again: those whose day `until` is over."""
    return tuple(
        event_id
        for event_id, finding in state.dlt_findings.items()
        if _is_pending(state, event_id) and finding.until is not None and finding.until < today
    )


def _is_pending(state: ParticipantState, event_id: str) -> bool:
    return dlt_status_of(state, event_id) is EventDlt.PENDING
