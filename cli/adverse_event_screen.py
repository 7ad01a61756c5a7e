"""Adverse events on the screen."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.fact_screen import who_of
from cli.output import note, spaced, when
from cli.tables import table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from schemas.safety.adverse_events import AdverseEvent

LONGEST_FIELD = 400
REPORTS = {"sae": "SAE", "susar": "SUSAR", "susar_follow_up": "SUSAR follow-up"}


def event_line(event: "AdverseEvent") -> str:
    """Return an event in a line."""
    end = f" to {event.ended_on}" if event.ended_on else ""
    return f"{event.term}, grade {event.grade}, {event.onset_on}{end}"


def show_changes(before: "AdverseEvent", after: "AdverseEvent") -> None:
    """Show on stderr what an amendment changes."""
    from decisions.safety.amendments import changes  # noqa: PLC0415 - slow to load

    for change in changes(before, after):
        note(f"  {change.field}: {_json_words(change.old)} -> {_json_words(change.new)}")


def show_event_list(subject: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show a participant's adverse events, a row for each."""
    columns = ("Event", "Term, category", "Grade", "Onset, end", "Serious, related to", "DLT", "Reports due")
    shown = [
        (
            f"{row['event_id']}\nversion {row['version']}",
            f"{row['term']}\n{spaced(row['category'])}",
            _grades(row),
            f"{row['onset_on']}\n{row['ended_on'] or 'not ended'}",
            f"{spaced(', '.join(row['serious'])) or 'not serious'}\n{_relation(row)}",
            _dlt(row),
            "\n".join(f"{report_words(report['kind'])}, {when(report['due_at'])}" for report in _owed(row)),
        )
        for row in rows
    ]
    table(f"Adverse events of {subject}", columns, shown, empty="none was reported")


def _owed(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [report for report in row["reports"] if report["reported_at"] is None]


def _grades(row: Mapping[str, Any]) -> str:
    computed = row["computed_grade"]
    if computed is None:
        return str(row["grade"])
    return f"{row['grade']}\nrules: {computed.grade}"


def _relation(row: Mapping[str, Any]) -> str:
    parts = spaced(", ".join(row["related_parts"])).replace("car nk", "CAR-NK")
    return parts or ("related" if row["related"] else "not related")


def _dlt(row: Mapping[str, Any]) -> str:
    if row["dlt"] == "none":
        return "reported as DLT" if row["reported_as_dlt"] and row["dlt_finding"] is None else ""
    finding = row["dlt_finding"]
    criterion = f"\n{finding.criterion}" if finding and finding.criterion else ""
    until = f" until {finding.until}" if finding and finding.until and row["dlt"] == "pending" else ""
    return f"{row['dlt']}{until}{criterion}"


def show_event(
    subject: str, row: Mapping[str, Any], versions: Sequence[Mapping[str, Any]], followed: Sequence[Mapping[str, Any]]
) -> None:
    """Show an adverse event: its latest version, its versions, and what followed."""
    fields = [*_fields(row["event"]), *_judged(row)]
    table("", (f"{subject} {row['event_id']}", f"version {row['version']}"), fields)
    columns = ("Version", "When (UTC)", "Who (role)", "Why", "Old -> new")
    table("Versions", columns, [(v["version"], when(v["at"]), who_of(v), v["why"], _changed(v)) for v in versions])
    if followed:
        shown = [
            (fact["sequence"], when(fact["at"]), f"{spaced(fact['kind'])}\n{fact['what']}", who_of(fact))
            for fact in followed
        ]
        table("What followed", ("#", "When (UTC)", "What", "Who (role)"), shown)


def _changed(version: Mapping[str, Any]) -> str:
    changes = version["changes"]
    if not changes:
        return "first report" if version["version"] == 1 else ""
    return "\n".join(f"{each['field']}: {_json_words(each['old'])} -> {_json_words(each['new'])}" for each in changes)


def _json_words(text: str) -> str:
    words = _words(json.loads(text))
    return words if len(words) <= LONGEST_FIELD else f"{words[:LONGEST_FIELD]}..."


def _words(value: object) -> str:
    if value in (None, [], {}):
        return "(none)"
    match value:
        case {"on": day, "grade": grade}:
            return f"{day} grade {grade}"
        case dict():
            return ", ".join(f"{key} {_words(item)}" for key, item in value.items() if item not in (None, False))
        case list():
            return ", ".join(_words(item) for item in value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _fields(event: "BaseModel") -> Iterable[tuple[str, str]]:
    for name, value in event.model_dump(mode="json", exclude_defaults=True).items():
        yield spaced(name), _words(value)


def _judged(row: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    computed, finding, adjudication = row["computed_grade"], row["dlt_finding"], row["adjudication"]
    if computed is not None:
        review = f"; look at: {computed.review}" if computed.review else ""
        yield "grade by the rules", f"{computed.grade}: {computed.why}{review}"
    if finding is not None:
        yield "DLT, by the rules", f"{finding.status}: {finding.why}"
    if adjudication is not None:
        verdict = "dose-limiting" if adjudication.dose_limiting else "not dose-limiting"
        why = f": {adjudication.rationale}" if adjudication.rationale else ""
        yield "DLT, as judged", f"{verdict}, {adjudication.adjudicated_on}{why}"
    for report in row["reports"]:
        made = f"made {when(report['reported_at'])}" if report["reported_at"] else "not made"
        yield f"report: {report_words(report['kind'])}", f"due {when(report['due_at'])}, {made}"


def report_words(kind: str) -> str:
    """Return what people call a kind of safety report."""
    return REPORTS.get(kind, kind)
