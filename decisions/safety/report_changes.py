"""
How the clocks of safety reports follow an event through its versions (docs/domain.md, section 8).

The reports that a version asks for (`decisions.safety.reporting_clocks`) are compared with those that run already.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from decisions.safety.reporting_clocks import reports_due, seriousness_of
from schemas.safety.adverse_events import AdverseEvent
from schemas.safety.reports import ReportDue, ReportingClocks, ReportKind, ReportRow


class ReportChanges(NamedTuple):
    """Clocks to stop, and clocks to start; one that starts again takes the place of the one that runs."""

    stopped: tuple[ReportKind, ...] = ()
    started: tuple[ReportDue, ...] = ()


class VersionTimes(NamedTuple):
    """When the site came to know the content of a version, and when the sponsor received it, with the version."""

    aware_at: datetime
    received_at: datetime


def report_changes(
    clocks: ReportingClocks,
    before: AdverseEvent | None,
    after: AdverseEvent,
    rows: Mapping[ReportKind, ReportRow],
    times: VersionTimes,
) -> ReportChanges:
    """
    Return what a version of an event changes in its clocks; `before` is none for a first report.

    A report that was made stays made. One that is due stops when the event no longer asks for it, and starts anew
    only when it is due earlier than before. An event that becomes serious is reported to the sponsor anew, even if it
    had been reported as one of special interest. A SUSAR's day 0 is the sponsor's receipt of what makes it one: the
    SAE's report, or the amendment if that came later (21 CFR 312.32).
    """
    running = dict(rows)
    if _becomes_serious(before, after):
        running = {kind: row for kind, row in running.items() if not (kind is ReportKind.SAE and row.reported_at)}
    due = reports_due(clocks, after, times.aware_at, _sponsor_received_at(running, times.received_at))
    asked = {report.kind for report in due}
    stopped = tuple(kind for kind, row in running.items() if row.reported_at is None and kind not in asked)
    return ReportChanges(stopped, tuple(report for report in due if _starts(running.get(report.kind), report)))


def reports_after_receipt(
    clocks: ReportingClocks, event: AdverseEvent, rows: Mapping[ReportKind, ReportRow]
) -> tuple[ReportDue, ...]:
    """Return the clocks that start with the sponsor's receipt of the SAE's report; none before it."""
    sae = rows.get(ReportKind.SAE)
    if sae is None or sae.reported_at is None:
        return ()
    due = reports_due(clocks, event, sae.due.clock_started_at, sae.reported_at)
    return tuple(report for report in due if report.kind not in rows)


def _becomes_serious(before: AdverseEvent | None, after: AdverseEvent) -> bool:
    return before is not None and not seriousness_of(before) and bool(seriousness_of(after))


def _sponsor_received_at(rows: Mapping[ReportKind, ReportRow], received_at: datetime) -> datetime | None:
    sae = rows.get(ReportKind.SAE)
    if sae is None or sae.reported_at is None:
        return None
    return max(sae.reported_at, received_at)


def _starts(row: ReportRow | None, due: ReportDue) -> bool:
    if row is None:
        return True
    return row.reported_at is None and due.due_at < row.due.due_at
