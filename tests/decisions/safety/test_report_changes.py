"""Clocks of safety reports through the versions of an event."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.safety.report_changes import VersionTimes, report_changes, reports_after_receipt
from schemas.safety.adverse_events import AdverseEvent, EventCategory, Seriousness
from schemas.safety.reports import ReportDue, ReportKind, ReportRow
from tests.decisions.makers import PROTOCOL

assert PROTOCOL.reporting_clocks is not None
CLOCKS = PROTOCOL.reporting_clocks
ADMITTED, IN_DANGER, DIED = (
    (Seriousness.HOSPITALISATION,),
    (Seriousness.LIFE_THREATENING,),
    (Seriousness.DEATH,),
)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
FRIDAY = MONDAY + timedelta(days=4)
SAE, SUSAR, FOLLOW_UP = ReportKind.SAE, ReportKind.SUSAR, ReportKind.SUSAR_FOLLOW_UP


def event(**changes: Any) -> AdverseEvent:  # noqa: ANN401 - any field
    """Make a related event of grade 2 that is not serious."""
    told = {"term": "Pneumonitis", "grade": 2, "onset_on": date(2026, 3, 1), "related": True}
    return AdverseEvent.model_validate(told | changes)


def row(kind: ReportKind, due_at: datetime, *, reported_at: datetime | None = None) -> ReportRow:
    """Make a report that is owed, or was made."""
    return ReportRow(
        due=ReportDue(kind=kind, clock_started_at=MONDAY, due_at=due_at, why="as it was"), reported_at=reported_at
    )


DAY = timedelta(days=1)
OWED_SAE = row(SAE, MONDAY + DAY)
TOLD_SAE = row(SAE, MONDAY + DAY, reported_at=MONDAY)
IN_15_DAYS = row(SUSAR, MONDAY + 15 * DAY)
IN_7_DAYS = row(SUSAR, MONDAY + 7 * DAY)
TOLD_SUSAR = row(SUSAR, MONDAY + 7 * DAY, reported_at=MONDAY + DAY)


@pytest.mark.parametrize(
    ("before", "after", "rows", "stopped", "started"),
    [
        # A first report.
        (None, event(), (), (), ()),
        (None, event(seriousness=ADMITTED), (), (), (SAE,)),
        # Serious after all; already told as one of special interest, it is told again.
        (event(), event(seriousness=ADMITTED), (), (), (SAE,)),
        (event(), event(seriousness=ADMITTED), (OWED_SAE,), (), ()),
        (event(), event(seriousness=ADMITTED), (TOLD_SAE,), (), (SAE,)),
        # Not serious after all: what is owed stops, what was made stays.
        (event(seriousness=ADMITTED), event(), (OWED_SAE,), (SAE,), ()),
        (event(seriousness=ADMITTED), event(), (TOLD_SAE,), (), ()),
        (event(seriousness=ADMITTED), event(), (TOLD_SAE, IN_15_DAYS), (SUSAR,), ()),
        (event(seriousness=IN_DANGER), event(), (TOLD_SAE, TOLD_SUSAR), (), ()),
        # Expected, or not related: no SUSAR.
        (event(seriousness=ADMITTED), event(seriousness=ADMITTED, expected=True), (TOLD_SAE, IN_15_DAYS), (SUSAR,), ()),
        (event(seriousness=ADMITTED, related=False), event(seriousness=ADMITTED), (TOLD_SAE,), (), (SUSAR,)),
        (event(seriousness=ADMITTED, related=False), event(seriousness=ADMITTED), (OWED_SAE,), (), ()),
        # It turned fatal: 7 days and a follow-up; a report that was made leaves the follow-up.
        (event(seriousness=ADMITTED), event(grade=5, seriousness=DIED), (TOLD_SAE, IN_15_DAYS), (), (SUSAR, FOLLOW_UP)),
        (event(seriousness=ADMITTED), event(grade=5, seriousness=DIED), (TOLD_SAE, TOLD_SUSAR), (), (FOLLOW_UP,)),
        # The stricter clock that runs is kept.
        (event(seriousness=IN_DANGER), event(seriousness=ADMITTED), (TOLD_SAE, IN_7_DAYS), (), ()),
        (
            event(seriousness=IN_DANGER),
            event(seriousness=ADMITTED),
            (TOLD_SAE, IN_7_DAYS, row(FOLLOW_UP, MONDAY + 15 * DAY)),
            (FOLLOW_UP,),
            (),
        ),
        # Nothing that a report asks about has changed.
        (event(seriousness=ADMITTED), event(term="Pneumonia", seriousness=ADMITTED), (OWED_SAE,), (), ()),
    ],
)
def test_clocks_follow_the_versions_of_an_event(
    before: AdverseEvent | None,
    after: AdverseEvent,
    rows: tuple[ReportRow, ...],
    stopped: tuple[ReportKind, ...],
    started: tuple[ReportKind, ...],
) -> None:
    """What is owed by the new version and not yet running starts; what is owed no longer stops."""
    running = {each.due.kind: each for each in rows}

    changes = report_changes(CLOCKS, before, after, running, VersionTimes(aware_at=FRIDAY, received_at=FRIDAY))

    assert changes.stopped == stopped
    assert tuple(due.kind for due in changes.started) == started
    assert all(due.clock_started_at == FRIDAY for due in changes.started)


def test_a_clock_starts_anew_only_when_it_is_due_earlier() -> None:
    """The site knew a day earlier than it had said: the report is due a day earlier; a later day changes nothing."""
    serious = event(seriousness=ADMITTED)

    def due(aware_at: datetime) -> list[datetime]:
        times = VersionTimes(aware_at=aware_at, received_at=FRIDAY)
        return [each.due_at for each in report_changes(CLOCKS, serious, serious, {SAE: OWED_SAE}, times).started]

    assert due(MONDAY - DAY) == [MONDAY]
    assert due(MONDAY) == []
    assert due(FRIDAY) == []


def test_an_event_of_special_interest_is_told_to_the_sponsor_only() -> None:
    """CRS of grade 3 takes the SAE's route; it is no SUSAR, since it is not serious."""
    crs = event(grade=3, category=EventCategory.CRS)
    times = VersionTimes(aware_at=MONDAY, received_at=MONDAY)

    assert [due.kind for due in report_changes(CLOCKS, None, crs, {}, times).started] == [SAE]
    assert reports_after_receipt(CLOCKS, crs, {SAE: TOLD_SAE}) == ()


@pytest.mark.parametrize(
    ("rows", "seriousness", "kinds"),
    [
        ((), IN_DANGER, ()),
        ((OWED_SAE,), IN_DANGER, ()),
        ((TOLD_SAE,), IN_DANGER, (SUSAR, FOLLOW_UP)),
        ((TOLD_SAE,), ADMITTED, (SUSAR,)),
        ((TOLD_SAE, TOLD_SUSAR), IN_DANGER, (FOLLOW_UP,)),
    ],
)
def test_the_sponsors_receipt_starts_the_susar_clocks(
    rows: tuple[ReportRow, ...], seriousness: tuple[Seriousness, ...], kinds: tuple[ReportKind, ...]
) -> None:
    """Day 0 is the day of the receipt; before it nothing runs, and what runs already is left alone."""
    started = reports_after_receipt(CLOCKS, event(seriousness=seriousness), {each.due.kind: each for each in rows})

    assert tuple(due.kind for due in started) == kinds
    assert all(due.clock_started_at == MONDAY for due in started)
