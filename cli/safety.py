"""`trial safety`: how the clocks of safety reports were kept."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.adverse_event_screen import report_words
from cli.as_of import time_in
from cli.call import Call
from cli.command import command, noun
from cli.connection import database
from cli.output import emit, say, when
from cli.owners import participant_states
from cli.tables import table

if TYPE_CHECKING:
    from schemas.safety.reports import ClockCounts
    from schemas.state.participant import ParticipantState

# What a command needs is loaded when it runs.
# ruff: noqa: PLC0415

app = noun()


@command(app, "clocks")
async def safety_clocks(
    call: Call,
    as_of: Annotated[
        str | None, typer.Option(help="Judge what is overdue at this time, such as 2026-11-24T09:00:00Z; else now.")
    ] = None,
) -> None:
    """Show how many safety reports of the study kept their clock, and which are still owed, by when."""
    from decisions.safety.reporting_clocks import clock_report

    now = time_in(as_of, "--as-of") if as_of else datetime.now(UTC).replace(microsecond=0)
    async with database(call) as connection:
        states = list((await participant_states(call, connection)).values())
    counts = clock_report([row for state in states for row in state.reports.values()], now)
    rows = [row for state in states for row in _clock_rows(state, now)]
    rows.sort(key=lambda row: (str(row["due_at"]), str(row["subject"])))
    if call.as_json:
        return emit({"study": call.study_id, "as_of": now, "counts": counts, "reports": rows})
    return _show_clocks(call.study_id, now, counts, rows)


def _clock_rows(state: "ParticipantState", now: datetime) -> list[dict[str, Any]]:
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


def _show_clocks(study: str, now: datetime, counts: "Sequence[ClockCounts]", rows: Sequence[Mapping[str, Any]]) -> None:
    counted = [(report_words(each.kind), each.met, each.late, each.open, each.overdue) for each in counts]
    table(f"Safety reports of {study}, as of {when(now)}", ("Report", "Met", "Late", "Open", "Overdue"), counted)
    owed = [row for row in rows if row["status"] != "met"]
    if not owed:
        return say("No report is owed, and none was late.")
    shown = [
        (
            f"{row['subject']}\n{row['event_id']}",
            report_words(row["kind"]),
            when(row["due_at"]),
            row["status"],
            row["because"],
        )
        for row in owed
    ]
    late = [row["status"] in ("overdue", "late") for row in owed]
    return table("Owed or late", ("Event", "Report", "Due (UTC)", "Status", "Why it is due"), shown, red=late)
