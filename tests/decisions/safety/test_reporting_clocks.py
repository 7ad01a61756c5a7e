"""Safety reports and their clocks: docs/domain.md, section 8; ICH E2A."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.safety.reporting_clocks import clock_report, is_fatal, judge_timeliness, reports_due, seriousness_of
from schemas.safety.adverse_events import AdverseEvent, EventCategory, EventOutcome, Seriousness
from schemas.safety.reports import (
    ClockCounts,
    ReportDue,
    ReportingClocks,
    ReportKind,
    ReportRow,
    Timeliness,
    TimelinessStatus,
)

VALUES = {
    "sae_hours": 24,
    "fatal_or_life_threatening_days": 7,
    "other_days": 15,
    "follow_up_days": 8,
    "special_interest": [
        {"category": "crs", "minimum_grade": 3},
        {"category": "icans", "minimum_grade": 3},
        {"category": "gvhd", "minimum_grade": 3},
    ],
}
CLOCKS = ReportingClocks.model_validate(VALUES)
SHANGHAI = timezone(timedelta(hours=8))
AWARE = datetime(2026, 3, 5, 14, 30, tzinfo=SHANGHAI)
RECEIVED = datetime(2026, 3, 6, 9, 15, tzinfo=SHANGHAI)
SAE, SUSAR, FOLLOW_UP = ReportKind.SAE, ReportKind.SUSAR, ReportKind.SUSAR_FOLLOW_UP
HOSPITALISED = {"seriousness": ["hospitalisation"]}
THREATENING = {"seriousness": ["hospitalisation", "life_threatening"]}


def event(**changes: object) -> AdverseEvent:
    """Make a related event of grade 3 that is neither serious nor expected."""
    base = {"term": "Pneumonitis", "grade": 3, "onset_on": date(2026, 3, 5), "related": True, "expected": False}
    return AdverseEvent.model_validate(base | changes)


def end_of(day: date) -> datetime:
    """Return the last moment of a day in Shanghai."""
    return datetime.combine(day, time.max, tzinfo=SHANGHAI)


def due(**changes: object) -> tuple[ReportDue, ...]:
    """Return the reports of an event with the usual times."""
    return reports_due(CLOCKS, event(**changes), AWARE, RECEIVED)


# Which reports are owed


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, ()),
        (HOSPITALISED, (SAE, SUSAR)),
        (HOSPITALISED | {"expected": True}, (SAE,)),
        (HOSPITALISED | {"expected": None}, (SAE, SUSAR)),
        (HOSPITALISED | {"related": False}, (SAE,)),
        (THREATENING, (SAE, SUSAR, FOLLOW_UP)),
        (THREATENING | {"expected": None}, (SAE, SUSAR, FOLLOW_UP)),
        (THREATENING | {"expected": True}, (SAE,)),
        ({"grade": 5}, (SAE, SUSAR, FOLLOW_UP)),
        ({"grade": 5, "related": False}, (SAE,)),
        ({"grade": 5, "seriousness": ["death"]}, (SAE, SUSAR, FOLLOW_UP)),
        ({"grade": 4, "outcome": "fatal"}, (SAE, SUSAR, FOLLOW_UP)),
        ({"grade": 4}, ()),
        ({"category": "crs"}, (SAE,)),
        ({"category": "icans"}, (SAE,)),
        ({"category": "gvhd", "grade": 4}, (SAE,)),
        ({"category": "crs", "grade": 2}, ()),
        ({"category": "organ"}, ()),
    ],
)
def test_seriousness_suspicion_and_expectedness_decide(
    changes: dict[str, object], kinds: tuple[ReportKind, ...]
) -> None:
    """Serious goes to the sponsor; related and not known to be expected makes a SUSAR; grade 4 alone is not serious."""
    assert tuple(report.kind for report in due(**changes)) == kinds


def test_no_susar_clock_runs_before_the_sponsor_received_it() -> None:
    """The site's duty does not wait for it."""
    reports = reports_due(CLOCKS, event(**THREATENING), AWARE, None)

    assert tuple(report.kind for report in reports) == (SAE,)


# By when


def test_an_sae_is_due_hours_after_awareness() -> None:
    """24 hours to the minute, and the reason says from when."""
    assert due(**HOSPITALISED)[0] == ReportDue(
        kind=SAE,
        clock_started_at=AWARE,
        due_at=datetime(2026, 3, 6, 14, 30, tzinfo=SHANGHAI),
        why="serious (hospitalisation): to the sponsor within 24 hours of the site's awareness",
    )


def test_an_event_of_special_interest_takes_the_same_route() -> None:
    """It is not serious, and says so by its reason."""
    report = due(category="crs")[0]

    assert report.due_at == datetime(2026, 3, 6, 14, 30, tzinfo=SHANGHAI)
    assert report.why == (
        "crs grade 3, of special interest from grade 3: to the sponsor within 24 hours of the site's awareness"
    )


def test_a_susar_is_due_on_day_15() -> None:
    """Day 0 is the sponsor's receipt, and the whole of day 15 is in time."""
    assert due(**HOSPITALISED)[1] == ReportDue(
        kind=SUSAR,
        clock_started_at=RECEIVED,
        due_at=end_of(date(2026, 3, 21)),
        why=(
            "serious (hospitalisation), related, unexpected: by day 15, 2026-03-21; "
            "day 0 is the sponsor's receipt, 2026-03-06"
        ),
    )


def test_a_life_threatening_susar_is_due_on_day_7_with_a_follow_up_8_days_later() -> None:
    """The follow-up is counted on from the last day of the first report: day 15."""
    susar, follow_up = due(**THREATENING)[1:]

    assert susar == ReportDue(
        kind=SUSAR,
        clock_started_at=RECEIVED,
        due_at=end_of(date(2026, 3, 13)),
        why=(
            "serious (hospitalisation, life_threatening), related, unexpected: by day 7, 2026-03-13; "
            "day 0 is the sponsor's receipt, 2026-03-06"
        ),
    )
    assert follow_up == ReportDue(
        kind=FOLLOW_UP,
        clock_started_at=RECEIVED,
        due_at=end_of(date(2026, 3, 21)),
        why=(
            "follow-up: serious (hospitalisation, life_threatening), related, unexpected: by day 15, 2026-03-21; "
            "day 0 is the sponsor's receipt, 2026-03-06"
        ),
    )


def test_expectedness_that_is_not_judged_counts_as_unexpected() -> None:
    """The reason says that it is not judged."""
    report = due(**HOSPITALISED, expected=None)[1]

    assert report.why.startswith("serious (hospitalisation), related, expectedness not judged: by day 15")


def test_calendar_days_are_those_of_the_receipts_own_zone() -> None:
    """01:00 in Shanghai is the evening before in UTC: day 0 is the date as it was written."""
    received = datetime(2026, 3, 6, 1, 0, tzinfo=SHANGHAI)

    report = reports_due(CLOCKS, event(**HOSPITALISED), AWARE, received)[1]

    assert report.due_at == end_of(date(2026, 3, 21))
    utc = reports_due(CLOCKS, event(**HOSPITALISED), AWARE, received.astimezone(UTC))[1]
    assert utc.due_at == datetime.combine(date(2026, 3, 20), time.max, tzinfo=UTC)


# Death


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({}, ()),
        (HOSPITALISED, (Seriousness.HOSPITALISATION,)),
        ({"grade": 5}, (Seriousness.DEATH,)),
        ({"grade": 5, "seriousness": ["death", "hospitalisation"]}, (Seriousness.DEATH, Seriousness.HOSPITALISATION)),
        ({"grade": 4, "outcome": "fatal"} | HOSPITALISED, (Seriousness.HOSPITALISATION, Seriousness.DEATH)),
        ({"outcome": EventOutcome.NOT_RECOVERED}, ()),
    ],
)
def test_a_death_is_serious_however_it_is_told(changes: dict[str, object], met: tuple[Seriousness, ...]) -> None:
    """By grade 5, by the criterion or by the outcome; it is named once."""
    assert seriousness_of(event(**changes)) == met
    assert is_fatal(event(**changes)) is (Seriousness.DEATH in met)


# Whether it was in time

REPORT = ReportDue(kind=SAE, clock_started_at=AWARE, due_at=AWARE + timedelta(hours=24), why="serious")
MOMENT = timedelta(microseconds=1)
DUE_AT = "due 2026-03-06 14:30+08:00"


@pytest.mark.parametrize(
    ("reported", "now", "timeliness"),
    [
        (
            timedelta(hours=-1),
            timedelta(days=9),
            Timeliness(status=TimelinessStatus.MET, why=f"reported 2026-03-06 13:30+08:00, {DUE_AT}"),
        ),
        (
            timedelta(),
            timedelta(days=9),
            Timeliness(status=TimelinessStatus.MET, why=f"reported 2026-03-06 14:30+08:00, {DUE_AT}"),
        ),
        (
            MOMENT,
            timedelta(days=9),
            Timeliness(status=TimelinessStatus.LATE, by=MOMENT, why=f"late by less than a minute, {DUE_AT}"),
        ),
        (
            timedelta(days=2, hours=3, minutes=4),
            timedelta(days=9),
            Timeliness(
                status=TimelinessStatus.LATE,
                by=timedelta(days=2, hours=3, minutes=4),
                why=f"late by 2 d 3 h 4 min, {DUE_AT}",
            ),
        ),
        (None, timedelta(), Timeliness(status=TimelinessStatus.OPEN, why=f"not reported yet, {DUE_AT}")),
        (
            None,
            MOMENT,
            Timeliness(
                status=TimelinessStatus.OVERDUE,
                by=MOMENT,
                why=f"not reported, overdue by less than a minute, {DUE_AT}",
            ),
        ),
        (
            None,
            timedelta(hours=5),
            Timeliness(
                status=TimelinessStatus.OVERDUE, by=timedelta(hours=5), why=f"not reported, overdue by 5 h, {DUE_AT}"
            ),
        ),
    ],
)
def test_the_due_time_itself_is_in_time(reported: timedelta | None, now: timedelta, timeliness: Timeliness) -> None:
    """A moment later it is late, or overdue when nothing was reported; the reason says by how much."""
    reported_at = None if reported is None else REPORT.due_at + reported

    assert judge_timeliness(REPORT, reported_at, REPORT.due_at + now) == timeliness


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(hours=23, minutes=59), "23 h 59 min"),
        (timedelta(hours=24), "1 d"),
        (timedelta(days=1, minutes=1), "1 d 1 min"),
    ],
)
def test_a_delay_is_told_in_days_hours_and_minutes(span: timedelta, words: str) -> None:
    """Units that are nought are left out."""
    assert f"late by {words}, due" in judge_timeliness(REPORT, REPORT.due_at + span, REPORT.due_at + span).why


def test_instants_are_compared_whatever_their_zone() -> None:
    """06:30 UTC is 14:30 in Shanghai."""
    judged = judge_timeliness(REPORT, datetime(2026, 3, 6, 6, 30, tzinfo=UTC), REPORT.due_at)

    assert judged.status is TimelinessStatus.MET


# Counts


def row(kind: ReportKind, reported_hours: int | None, due_hours: int = 0) -> ReportRow:
    """Make a report, due and made some hours after the usual due time."""
    due_at = REPORT.due_at + timedelta(hours=due_hours)
    report = REPORT.model_copy(update={"kind": kind, "due_at": due_at})
    reported_at = None if reported_hours is None else REPORT.due_at + timedelta(hours=reported_hours)
    return ReportRow(due=report, reported_at=reported_at)


def test_reports_are_counted_by_kind() -> None:
    """Met, late, open and overdue, a line for every kind."""
    rows = [
        row(SAE, -1),
        row(SAE, 0),
        row(SAE, 0),
        row(SAE, 1),
        row(SAE, 2),
        row(SAE, None),
        row(SUSAR, None, due_hours=1),
        row(SUSAR, None, due_hours=2),
        row(SUSAR, None),
    ]

    assert clock_report(rows, REPORT.due_at + timedelta(hours=1)) == (
        ClockCounts(kind=SAE, met=3, late=2, open=0, overdue=1),
        ClockCounts(kind=SUSAR, met=0, late=0, open=2, overdue=1),
        ClockCounts(kind=FOLLOW_UP, met=0, late=0, open=0, overdue=0),
    )


@given(
    st.lists(
        st.builds(row, st.sampled_from(ReportKind), st.none() | st.integers(-50, 50), due_hours=st.integers(-50, 50))
    ),
    st.integers(-50, 50),
)
def test_every_report_is_counted_once(rows: list[ReportRow], hours: int) -> None:
    """The counts of a kind add up to its reports; reported ones are met or late."""
    now = REPORT.due_at + timedelta(hours=hours)

    for counts in clock_report(rows, now):
        of_kind = [made for made in rows if made.due.kind is counts.kind]
        reported = sum(made.reported_at is not None for made in of_kind)
        assert (counts.met + counts.late, counts.open + counts.overdue) == (reported, len(of_kind) - reported)


@given(
    seriousness=st.lists(st.sampled_from([one for one in Seriousness if one is not Seriousness.DEATH]), unique=True),
    related=st.booleans(),
    expected=st.none() | st.booleans(),
    category=st.sampled_from(EventCategory),
    grade=st.integers(1, 4),
)
def test_no_susar_without_an_sae(
    seriousness: list[Seriousness], related: bool, expected: bool | None, category: EventCategory, grade: int
) -> None:
    """What goes to the authority went to the sponsor first; nobody expected leaves nothing to report there."""
    reports = due(seriousness=seriousness, related=related, expected=expected, category=category, grade=grade)
    kinds = [report.kind for report in reports]

    assert SUSAR not in kinds or kinds[0] is SAE
    assert FOLLOW_UP not in kinds or SUSAR in kinds
    assert SUSAR not in kinds or (related and expected is not True)
    assert (SAE in kinds) or not seriousness


# The clocks as data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fatal_or_life_threatening_days": 16}, "must not be above other_days"),
        (
            {"special_interest": [{"category": "crs", "minimum_grade": grade} for grade in (3, 4)]},
            "category stands twice: crs",
        ),
        ({"sae_hours": 0}, "greater than or equal to 1"),
    ],
)
def test_clocks_without_sense_are_refused(changes: dict[str, object], message: str) -> None:
    """The graver report is the faster one, and a category has one minimum grade."""
    with pytest.raises(ValidationError, match=message):
        ReportingClocks.model_validate(VALUES | changes)


def test_both_kinds_of_susar_may_have_the_same_days() -> None:
    """A stricter protocol reports all within 7 days."""
    clocks = ReportingClocks.model_validate(VALUES | {"other_days": 7})

    assert clocks.other_days == clocks.fatal_or_life_threatening_days
