"""What the `trial` command shows of adverse events, safety reports and responses."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from cli.output import say, table, when, who_said

if TYPE_CHECKING:
    from pydantic import BaseModel

    from history.reading import FoundFact
    from schemas.safety.adverse_events import AdverseEvent
    from schemas.safety.reports import ClockCounts
    from schemas.state.participant import ParticipantState
    from schemas.treatment.support import ImagingRow

# Imports of Temporal, pydantic and our own rooms stand inside functions: `trial --help` and completion must answer at
# once.
# ruff: noqa: PLC0415

AMENDED = "adverse_event_amended"
REPORTED = "adverse_event_reported"
CLOCKS = ("reporting_clock_started", "reporting_clock_stopped")
NOT_MADE = ("open", "overdue")
LONGEST_FIELD = 400


# ---------------------------------------------------------------------- adverse events


def event_row(state: "ParticipantState", event_id: str) -> dict[str, Any]:
    """Return what is known of an adverse event: its latest version, what the rules make of it, what is owed."""
    from decisions.dlt.status import dlt_status_of
    from decisions.safety.adverse_events import event_of, version_of
    from decisions.safety.reporting_clocks import seriousness_of
    from schemas.safety.adverse_events import RELATED

    event, computed = event_of(state, event_id), state.computed_grades.get(event_id)
    finding = state.dlt_findings.get(event_id)
    related = [part.value for part, causality in event.causality.items() if causality in RELATED]
    return {
        "event_id": event_id,
        "version": version_of(state, event_id),
        "term": event.term,
        "grade": event.grade,
        "computed_grade": computed,
        "category": event.category,
        "onset_on": event.onset_on,
        "ended_on": event.ended_on,
        "serious": seriousness_of(event),
        "related": event.related,
        "related_parts": related,
        "reported_as_dlt": event.dlt,
        "dlt": dlt_status_of(state, event_id),
        "dlt_finding": finding,
        "adjudication": state.adjudications.get(event_id),
        "reports": [_report(key, row) for key, row in _reports_of(state, event_id)],
    }


def _reports_of(state: "ParticipantState", event_id: str) -> list[tuple[str, Any]]:
    return [(key, row) for key, row in state.reports.items() if key.endswith(event_id)]


def _report(key: str, row: Any) -> dict[str, Any]:  # noqa: ANN401 - a ReportRow
    return {"report": key, "kind": row.due.kind, "due_at": row.due.due_at, "reported_at": row.reported_at}


def event_line(event: "AdverseEvent") -> str:
    """Say an event in a line."""
    end = f" to {event.ended_on}" if event.ended_on else ""
    return f"{event.term}, grade {event.grade}, {event.onset_on}{end}"


def show_changes(before: "AdverseEvent", after: "AdverseEvent") -> None:
    """Show on stderr what an amendment changes."""
    from decisions.safety.amendments import changes

    for change in changes(before, after):
        typer.echo(f"  {change.field}: {_in_words(change.old)} -> {_in_words(change.new)}", err=True)


def show_events(subject: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show a participant's adverse events, a row for each."""
    columns = ("Event", "Term, category", "Grade", "Onset, end", "Serious, related to", "DLT", "Reports due")
    shown = [
        (
            f"{row['event_id']}\nversion {row['version']}",
            f"{row['term']}\n{_spaced(row['category'])}",
            _grades(row),
            f"{row['onset_on']}\n{row['ended_on'] or 'not ended'}",
            f"{_spaced(', '.join(row['serious'])) or 'not serious'}\n{_relation(row)}",
            _dlt(row),
            "\n".join(f"{_spoken(report['kind'])}, {when(report['due_at'])}" for report in _owed(row)),
        )
        for row in rows
    ]
    table(f"Adverse events of {subject}", columns, shown)


def _owed(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [report for report in row["reports"] if report["reported_at"] is None]


def _grades(row: Mapping[str, Any]) -> str:
    computed = row["computed_grade"]
    if computed is None:
        return str(row["grade"])
    return f"{row['grade']}\nrules: {computed.grade}"


def _relation(row: Mapping[str, Any]) -> str:
    parts = _spaced(", ".join(row["related_parts"])).replace("car nk", "CAR-NK")
    return parts or ("related" if row["related"] else "not related")


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _dlt(row: Mapping[str, Any]) -> str:
    if row["dlt"] == "none":
        return "reported as DLT" if row["reported_as_dlt"] and row["dlt_finding"] is None else ""
    finding = row["dlt_finding"]
    criterion = f"\n{finding.criterion}" if finding and finding.criterion else ""
    until = f" until {finding.until}" if finding and finding.until and row["dlt"] == "pending" else ""
    return f"{row['dlt']}{until}{criterion}"


def versions_in(facts: Iterable["FoundFact"], event_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the versions of an event and what followed from it, from the facts of its participant's history."""
    from history.fact_words import describe_fact

    versions: list[dict[str, Any]] = []
    followed: list[dict[str, Any]] = []
    reported = 0
    for found in facts:
        fact = found.fact
        said = {"sequence": found.sequence, **{name: fact[name] for name in ("at", "who", "role", "why")}}
        if fact["kind"] == REPORTED:
            reported += 1
            # Facts from before events had ids tell theirs by their order.
            if fact.get("event_id", f"AE-{reported:03d}") == event_id:
                versions.append(said | {"version": 1, "changes": []})
        elif fact["kind"] == AMENDED and fact["event_id"] == event_id:
            versions.append(said | {"version": fact["version"], "changes": fact["changes"]})
        elif event_id in (fact.get("event_id"), (fact.get("answer") or {}).get("event_id")):
            followed.append(said | {"kind": fact["kind"], "what": describe_fact(fact)})
    return versions, followed


def show_event(
    subject: str, row: Mapping[str, Any], versions: Sequence[Mapping[str, Any]], followed: Sequence[Mapping[str, Any]]
) -> None:
    """Show an adverse event: what it says now, its versions, and what followed."""
    said = [*_fields(row["event"]), *_judged(row)]
    table("", (f"{subject} {row['event_id']}", f"version {row['version']}"), said)
    told = [(v["version"], when(v["at"]), who_said(v), v["why"], _changed(v)) for v in versions]
    table("Versions", ("#", "When (UTC)", "Who (role)", "Why", "Old -> new"), told)
    if followed:
        shown = [(when(f["at"]), f"{_spaced(f['kind'])}\n{f['what']}", who_said(f)) for f in followed]
        table("What followed", ("When (UTC)", "What", "Who (role)"), shown)


def _changed(version: Mapping[str, Any]) -> str:
    changes = version["changes"]
    if not changes:
        return "first report" if version["version"] == 1 else ""
    return "\n".join(f"{each['field']}: {_in_words(each['old'])} -> {_in_words(each['new'])}" for each in changes)


def _in_words(text: str) -> str:
    """Say a JSON value without its quotes."""
    said = _value(json.loads(text))
    return said if len(said) <= LONGEST_FIELD else f"{said[:LONGEST_FIELD]}..."


def _value(value: object) -> str:
    if value in (None, [], {}):
        return "(none)"
    match value:
        case {"on": day, "grade": grade}:
            return f"{day} grade {grade}"
        case dict():
            return ", ".join(f"{key} {_value(item)}" for key, item in value.items() if item not in (None, False))
        case list():
            return ", ".join(_value(item) for item in value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _fields(event: "BaseModel") -> Iterable[tuple[str, str]]:
    for name, value in event.model_dump(mode="json", exclude_defaults=True).items():
        yield name.replace("_", " "), _value(value)


def _judged(row: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    computed, finding, adjudication = row["computed_grade"], row["dlt_finding"], row["adjudication"]
    if computed is not None:
        review = f"; look at: {computed.review}" if computed.review else ""
        yield "grade by the rules", f"{computed.grade}: {computed.why}{review}"
    if finding is not None:
        yield "DLT, by the rules", f"{finding.status}: {finding.why}"
    if adjudication is not None:
        said = "dose-limiting" if adjudication.dose_limiting else "not dose-limiting"
        why = f": {adjudication.rationale}" if adjudication.rationale else ""
        yield "DLT, as judged", f"{said}, {adjudication.adjudicated_on}{why}"
    for report in row["reports"]:
        made = f"made {when(report['reported_at'])}" if report["reported_at"] else "not made"
        yield f"report: {_spoken(report['kind'])}", f"due {when(report['due_at'])}, {made}"


def _spoken(kind: str) -> str:
    return {"sae": "SAE", "susar": "SUSAR", "susar_follow_up": "SUSAR follow-up"}.get(kind, kind)


# ---------------------------------------------------------------------- safety reports


def clock_rows(state: "ParticipantState", now: datetime) -> list[dict[str, Any]]:
    """Return a participant's safety reports, owed or made, and whether each kept its clock."""
    from decisions.safety.reporting_clocks import judge_timeliness

    rows = []
    for key, row in state.reports.items():
        judged = judge_timeliness(row.due, row.reported_at, now)
        due = {"kind": row.due.kind, "clock_started_at": row.due.clock_started_at, "due_at": row.due.due_at}
        about = {"subject": state.subject, "event_id": key.removeprefix(f"{row.due.kind.value}-")}
        why = {"because": row.due.why, "why": judged.why}
        rows.append({**about, **due, "reported_at": row.reported_at, "status": judged.status, **why})
    return rows


def show_clocks(study: str, now: datetime, counts: Sequence["ClockCounts"], rows: Sequence[Mapping[str, Any]]) -> None:
    """Show how many reports kept their clock, and those that are owed or were late."""
    counted = [(_spoken(each.kind), each.met, each.late, each.open, each.overdue) for each in counts]
    table(f"Safety reports of {study}, as of {when(now)}", ("Report", "Met", "Late", "Open", "Overdue"), counted)
    owed = [row for row in rows if row["status"] != "met"]
    if not owed:
        return say("No report is owed, and none was late.")
    shown = [
        (row["subject"], row["event_id"], _spoken(row["kind"]), when(row["due_at"]), row["status"], row["because"])
        for row in owed
    ]
    styles = ["red" if row["status"] in ("overdue", "late") else "" for row in owed]
    columns = ("Subject", "Event", "Report", "Due (UTC)", "Status", "Why it is due")
    return table("Owed or late", columns, shown, styles=styles)


# ---------------------------------------------------------------------- responses


def show_response(state: "ParticipantState", imaging: Sequence["ImagingRow"]) -> None:
    """Show a participant's tumour assessments, what they mean by RECIST 1.1, and deviations."""
    _show_best(state)
    _show_baseline(state)
    _show_timepoints(state)
    _show_imaging(state, imaging)
    if state.deviations:
        told = [(each.visit, each.kind, each.days, each.why) for each in state.deviations]
        table("Deviations", ("Visit", "What", "Days", "Why"), told)


def _show_best(state: "ParticipantState") -> None:
    best = state.best_response
    if best is None:
        return say(f"{state.subject}: no response yet")
    lasts = None
    if best.duration_days is not None:
        lasts = f"{best.duration_days} days{', going on or not followed to its end' if best.duration_censored else ''}"
    rows: list[tuple[str, object]] = [
        ("Best overall response", f"{best.response}, {'confirmed' if best.confirmed else 'not confirmed'}"),
        ("Assessed", best.on),
        ("First response", best.responded_on),
        ("Confirmed", best.confirmed_on),
        ("Progression", best.progressed_on),
        ("Duration of response", lasts),
        ("Why", best.why),
        ("To look at again", "\n".join(best.review)),
    ]
    return table("", (state.subject, "RECIST 1.1"), [row for row in rows if row[1]])


def _show_baseline(state: "ParticipantState") -> None:
    baseline = state.baseline
    if baseline is None:
        return
    targets = [(each.id, "target", _place(each), f"{each.diameter_mm}", each.method) for each in baseline.targets]
    others = [(each.id, "non-target", _place(each), each.short_axis_mm, None) for each in baseline.non_targets]
    columns = ("Lesion", "Kind", "Where", "mm", "Method")
    table(f"Baseline of {baseline.assessed_on}", columns, [*targets, *others])


def _place(lesion: Any) -> str:  # noqa: ANN401 - a lesion of either kind
    return f"{lesion.organ}, {lesion.location}" if lesion.location else str(lesion.organ)


def _show_timepoints(state: "ParticipantState") -> None:
    if not state.timepoints:
        return
    visits = {day: visit for visit, day in state.imaging_on.items()}
    rows = [
        (
            f"{point.assessed_on}\n{visits.get(point.assessed_on, '')}".strip(),
            point.sum_mm,
            point.nadir_mm,
            point.target or "-",
            point.non_target or "-",
            "yes" if point.new_lesion else "no",
            point.overall,
            point.why,
        )
        for point in state.timepoints
    ]
    columns = ("Assessed", "Sum mm", "Nadir mm", "Target", "Non-target", "New", "Overall", "Why")
    table("Timepoints", columns, rows)


def _show_imaging(state: "ParticipantState", imaging: Sequence["ImagingRow"]) -> None:
    if not imaging:
        return say("No tumour assessment is planned before day 0.")
    told = dict(state.responses)
    rows = [
        (
            row.window.visit,
            row.window.planned_on,
            f"{row.window.opens_on}\n{row.window.closes_on}",
            row.done_on,
            row.status.replace("_", " "),
            told.get(row.window.visit),
        )
        for row in imaging
    ]
    styles = ["red" if row.status == "missed" else "" for row in imaging]
    columns = ("Visit", "Planned", "Window", "Done", "Status", "Investigator says")
    return table("Tumour assessments", columns, rows, styles=styles)
