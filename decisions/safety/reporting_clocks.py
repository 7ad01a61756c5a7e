"""
Which safety reports are due, by when, and whether they were made in time (docs/domain.md, section 8).

ICH E2A: a SUSAR is a serious adverse event that is suspected to be related and is not expected by the reference safety
information. What is not judged yet counts as the stricter case.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, time, timedelta

from schemas.safety.adverse_events import FATAL, AdverseEvent, EventOutcome, Seriousness
from schemas.safety.reports import (
    ClockCounts,
    ReportDue,
    ReportingClocks,
    ReportKind,
    ReportRow,
    Timeliness,
    TimelinessStatus,
)


def seriousness_of(event: AdverseEvent) -> tuple[Seriousness, ...]:
    """Return the criteria of ICH E2A that the event meets; a death by its grade or outcome alone is among them."""
    died = event.grade == FATAL or event.outcome is EventOutcome.FATAL
    return tuple(dict.fromkeys((*event.seriousness, *((Seriousness.DEATH,) if died else ()))))


def is_fatal(event: AdverseEvent) -> bool:
    """Return whether the event is a death."""
    return Seriousness.DEATH in seriousness_of(event)


def reports_due(
    clocks: ReportingClocks, event: AdverseEvent, aware_at: datetime, sponsor_received_at: datetime | None
) -> tuple[ReportDue, ...]:
    """
    Return the reports that an event asks for, the earliest duty first (docs/domain.md, section 8).

    The site reports an SAE, or an event of special interest, to the sponsor within `sae_hours` after it came to know
    (`aware_at`). A SUSAR is due on the last day of its count, to the end of that day: day 0 is the sponsor's receipt
    (`sponsor_received_at`; none: no such clock runs yet), and days are those of the time zone in which it is written.
    A fatal or life-threatening one has a follow-up `follow_up_days` after its own last day. For an amended event both
    times are those of the version that made it qualify (21 CFR 312.32).
    """
    due: list[ReportDue] = []
    why = _sae_reason(clocks, event)
    if why is not None:
        due.append(
            ReportDue(
                kind=ReportKind.SAE,
                clock_started_at=aware_at,
                due_at=aware_at + timedelta(hours=clocks.sae_hours),
                why=f"{why}: to the sponsor within {clocks.sae_hours} hours of the site's awareness",
            )
        )
    if sponsor_received_at is not None and _is_susar(event):
        due.extend(_susar_reports(clocks, event, sponsor_received_at))
    return tuple(due)


def judge_timeliness(due: ReportDue, reported_at: datetime | None, now: datetime) -> Timeliness:
    """Judge whether a report kept its clock; the due time itself is still in time."""
    if reported_at is not None:
        if reported_at <= due.due_at:
            return Timeliness(status=TimelinessStatus.MET, why=f"reported {_at(reported_at)}, due {_at(due.due_at)}")
        late = reported_at - due.due_at
        return Timeliness(
            status=TimelinessStatus.LATE, by=late, why=f"late by {_in_words(late)}, due {_at(due.due_at)}"
        )
    if now <= due.due_at:
        return Timeliness(status=TimelinessStatus.OPEN, why=f"not reported yet, due {_at(due.due_at)}")
    over = now - due.due_at
    why = f"not reported, overdue by {_in_words(over)}, due {_at(due.due_at)}"
    return Timeliness(status=TimelinessStatus.OVERDUE, by=over, why=why)


def clock_report(rows: Iterable[ReportRow], now: datetime) -> tuple[ClockCounts, ...]:
    """Count the reports that kept their clock or did not, for every kind of report, also where there was none."""
    counts = Counter((row.due.kind, judge_timeliness(row.due, row.reported_at, now).status) for row in rows)
    return tuple(
        ClockCounts(kind=kind, **{status.value: counts[kind, status] for status in TimelinessStatus})
        for kind in ReportKind
    )


def _sae_reason(clocks: ReportingClocks, event: AdverseEvent) -> str | None:
    if seriousness_of(event):
        return _in_full(event)
    for interest in clocks.special_interest:
        if interest.category is event.category and event.grade >= interest.minimum_grade:
            return f"{event.category} grade {event.grade}, of special interest from grade {interest.minimum_grade}"
    return None


def _is_susar(event: AdverseEvent) -> bool:
    # Expectedness that nobody has judged yet must not stop the clock.
    return bool(seriousness_of(event)) and event.related and event.expected is not True


def _susar_reports(clocks: ReportingClocks, event: AdverseEvent, received_at: datetime) -> tuple[ReportDue, ...]:
    unexpected = "expectedness not judged" if event.expected is None else "unexpected"
    what = f"{_in_full(event)}, related, {unexpected}"
    if {Seriousness.DEATH, Seriousness.LIFE_THREATENING}.isdisjoint(seriousness_of(event)):
        return (_susar(ReportKind.SUSAR, received_at, clocks.other_days, what),)
    first = clocks.fatal_or_life_threatening_days
    follow_up = first + clocks.follow_up_days
    return (
        _susar(ReportKind.SUSAR, received_at, first, what),
        _susar(ReportKind.SUSAR_FOLLOW_UP, received_at, follow_up, f"follow-up: {what}"),
    )


def _susar(kind: ReportKind, received_at: datetime, days: int, what: str) -> ReportDue:
    last_day = received_at.date() + timedelta(days=days)
    return ReportDue(
        kind=kind,
        clock_started_at=received_at,
        due_at=datetime.combine(last_day, time.max, tzinfo=received_at.tzinfo),
        why=f"{what}: by day {days}, {last_day}; day 0 is the sponsor's receipt, {received_at.date()}",
    )


def _in_full(event: AdverseEvent) -> str:
    return f"serious ({', '.join(seriousness_of(event))})"


def _at(instant: datetime) -> str:
    return instant.isoformat(sep=" ", timespec="minutes")


def _in_words(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join(part for part in parts if part) or "less than a minute"
