"""What is known of adverse events, as rows: the latest version, the rules' findings, versions, what followed."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cli.failures import of_problem

if TYPE_CHECKING:
    from schemas.commands.commands import AdverseEvent
    from schemas.safety.reports import ReportRow
    from schemas.state.participant import ParticipantState

# Rules and models are slow to load.
# ruff: noqa: PLC0415

REPORTED, AMENDED = "adverse_event_reported", "adverse_event_amended"

Fact = Mapping[str, Any]


def current_event(state: "ParticipantState", event_id: str) -> "tuple[AdverseEvent, int]":
    """Return an event and its version, or stop with the ids that there are."""
    from decisions.safety.adverse_events import event_ids, event_of, version_of
    from decisions.safety.refusals import participant_without_event

    known = event_ids(state)
    if event_id not in known:
        raise of_problem(participant_without_event(state.subject, event_id, known))
    return event_of(state, event_id), version_of(state, event_id)


def event_row(state: "ParticipantState", event_id: str) -> dict[str, Any]:
    """Return what is known of an adverse event: its latest version, what the rules make of it, what is owed."""
    from decisions.dlt.status import dlt_status_of
    from decisions.safety.adverse_events import event_of, version_of
    from decisions.safety.reporting_clocks import seriousness_of
    from schemas.safety.adverse_events import RELATED

    event = event_of(state, event_id)
    related = [part.value for part, causality in event.causality.items() if causality in RELATED]
    return {
        "event_id": event_id,
        "version": version_of(state, event_id),
        "term": event.term,
        "grade": event.grade,
        "computed_grade": state.computed_grades.get(event_id),
        "category": event.category,
        "onset_on": event.onset_on,
        "ended_on": event.ended_on,
        "serious": seriousness_of(event),
        "related": event.related,
        "related_parts": related,
        "reported_as_dlt": event.dlt,
        "dlt": dlt_status_of(state, event_id),
        "dlt_finding": state.dlt_findings.get(event_id),
        "adjudication": state.adjudications.get(event_id),
        "reports": [_report(key, row) for key, row in state.reports.items() if key.endswith(event_id)],
    }


def _report(key: str, row: "ReportRow") -> dict[str, Any]:
    return {"report": key, "kind": row.due.kind, "due_at": row.due.due_at, "reported_at": row.reported_at}


def versions_in(facts: Iterable[Fact], event_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the versions of an event and what followed from it, from all facts of its participant in order."""
    versions: list[dict[str, Any]] = []
    followed: list[dict[str, Any]] = []
    for number, fact in enumerate(facts, start=1):
        row = {"sequence": number, **{name: fact[name] for name in ("at", "who", "role", "why")}}
        if event_id not in (fact.get("event_id"), (fact.get("answer") or {}).get("event_id")):
            continue
        if fact["kind"] == REPORTED:
            versions.append(row | {"version": 1, "changes": []})
        elif fact["kind"] == AMENDED:
            versions.append(row | {"version": fact["version"], "changes": fact["changes"]})
        else:
            followed.append(row | {"kind": fact["kind"], "what": _described(fact)})
    return versions, followed


def _described(fact: Fact) -> str:
    from history.fact_words import describe_fact

    return describe_fact(dict(fact))
