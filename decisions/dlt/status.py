"""
Where each event stands as a dose-limiting toxicity: what the rule found, and what the investigator judged of it.

An adjudication answers the question that was asked of the event as it was then. When an amendment changes what the
question goes by (`decisions.amendments.upgraded`), it no longer stands, and the rule's finding counts again.
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


def standing_of(state: ParticipantState, event_id: str) -> EventDlt:
    """Say where an event stands; an adjudication that stands goes before the rule's finding."""
    adjudication = state.adjudications.get(event_id)
    if adjudication is not None:
        return EventDlt.CONFIRMED if adjudication.dose_limiting else EventDlt.REJECTED
    finding = state.dlt_findings.get(event_id)
    return EventDlt.NONE if finding is None else _FOUND[finding.status]


def open_events(state: ParticipantState) -> tuple[str, ...]:
    """Return the events that may turn out dose-limiting: pending, or candidates that nobody has judged."""
    return tuple(event_id for event_id in state.dlt_findings if standing_of(state, event_id) in OPEN_DLT)


def criterion_of(state: ParticipantState, event_id: str) -> str | None:
    """Return the protocol's criterion behind an event's standing, if one is met or pending."""
    finding = state.dlt_findings.get(event_id)
    return None if finding is None else finding.criterion


def next_look_on(state: ParticipantState) -> date | None:
    """Return the first day on which a pending finding must be made again: the day after its `until`."""
    days = (finding.until for event, finding in state.dlt_findings.items() if _is_pending(state, event))
    return min((day + timedelta(days=1) for day in days if day is not None), default=None)


def ripe_events(state: ParticipantState, today: date) -> tuple[str, ...]:
    """Return the pending events whose day `until` is over."""
    return tuple(
        event_id
        for event_id, finding in state.dlt_findings.items()
        if _is_pending(state, event_id) and finding.until is not None and finding.until < today
    )


def _is_pending(state: ParticipantState, event_id: str) -> bool:
    return standing_of(state, event_id) is EventDlt.PENDING
