"""What the facts of adverse events and their reports change in a participant's state."""

from typing import Any, assert_never

from decisions.safety.amendments import upgraded
from decisions.safety.event_ids import event_id, event_index, report_key
from schemas import facts as f
from schemas.safety.reports import ReportRow
from schemas.state.participant import ParticipantState

SafetyFact = (
    f.AdverseEventReported
    | f.AdverseEventAmended
    | f.DltFindingMade
    | f.ReportingClockStarted
    | f.ReportingClockStopped
)


def safety_changes(state: ParticipantState, fact: SafetyFact) -> dict[str, Any]:
    """
    Return the fields that change with a fact of an adverse event.

    Raises `ValueError` when an event is amended that was never reported.
    """
    match fact:
        case f.AdverseEventReported():
            return _reported(state, fact)
        case f.AdverseEventAmended():
            return _amended(state, fact)
        case f.DltFindingMade():
            return {"dlt_findings": state.dlt_findings | {fact.event_id: fact.finding}}
        case f.ReportingClockStarted():
            key = report_key(fact.event_id, fact.due.kind)
            return {"reports": state.reports | {key: ReportRow(due=fact.due)}}
        case f.ReportingClockStopped():
            stopped = report_key(fact.event_id, fact.report)
            return {"reports": {key: row for key, row in state.reports.items() if key != stopped}}
        case _:
            assert_never(fact)


def _reported(state: ParticipantState, fact: f.AdverseEventReported) -> dict[str, Any]:
    added: dict[str, Any] = {"adverse_events": (*state.adverse_events, fact.event)}
    if fact.computed is not None:
        name = event_id(len(state.adverse_events) + 1)
        added["computed_grades"] = state.computed_grades | {name: fact.computed}
    return added


def _amended(state: ParticipantState, fact: f.AdverseEventAmended) -> dict[str, Any]:
    index = event_index(state, fact.event_id)
    if index is None:
        raise ValueError(f"{fact.event_id} was amended and never reported")
    before, events = state.adverse_events[index], list(state.adverse_events)
    events[index] = fact.event
    grades = {key: grade for key, grade in state.computed_grades.items() if key != fact.event_id}
    changed: dict[str, Any] = {
        "adverse_events": tuple(events),
        "event_versions": state.event_versions | {fact.event_id: fact.version},
        "computed_grades": grades if fact.computed is None else grades | {fact.event_id: fact.computed},
    }
    if fact.event_id in state.adjudications and upgraded(before, fact.event):
        # It was judged by its earlier content: the question is asked again; the first answer stays in the history.
        kept = {key: judged for key, judged in state.adjudications.items() if key != fact.event_id}
        changed["adjudications"] = kept
    return changed
