"""Visits out of their windows, and the imaging overview."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.schedule.deviations import imaging_status, visit_deviation, visit_window
from schemas.protocol import Visit, VisitKind
from schemas.treatment.support import Deviation, DeviationKind, ImagingRow, ImagingStatus, VisitWindow

DAY_0 = date(2026, 3, 2)
WEEK_8 = Visit(id="imaging-week-8", kind=VisitKind.IMAGING, day=56, window_before_days=7, window_after_days=5)
WINDOW = VisitWindow(
    visit="imaging-week-8",
    planned_on=date(2026, 4, 27),
    opens_on=date(2026, 4, 20),
    closes_on=date(2026, 5, 2),
)


def on_day(day: int) -> date:
    """Return the date of a study day."""
    return DAY_0 + timedelta(days=day)


def test_a_window_lies_around_the_planned_day() -> None:
    """7 days before day 56 and 5 days after it, both included."""
    assert visit_window(WEEK_8, DAY_0) == WINDOW


@pytest.mark.parametrize(
    ("done", "kind", "days", "why"),
    [
        (
            46,
            DeviationKind.EARLY,
            3,
            "imaging-week-8 was done on 2026-04-17, 3 days early, window 2026-04-20 to 2026-05-02",
        ),
        (
            48,
            DeviationKind.EARLY,
            1,
            "imaging-week-8 was done on 2026-04-19, 1 day early, window 2026-04-20 to 2026-05-02",
        ),
        (
            62,
            DeviationKind.LATE,
            1,
            "imaging-week-8 was done on 2026-05-03, 1 day late, window 2026-04-20 to 2026-05-02",
        ),
        (
            71,
            DeviationKind.LATE,
            10,
            "imaging-week-8 was done on 2026-05-12, 10 days late, window 2026-04-20 to 2026-05-02",
        ),
    ],
)
def test_a_visit_out_of_its_window_says_by_how_much(done: int, kind: DeviationKind, days: int, why: str) -> None:
    """Days count from the nearer end of the window."""
    expected = Deviation(visit="imaging-week-8", kind=kind, days=days, why=why)

    assert visit_deviation(WINDOW, on_day(done), on_day(100)) == expected


@pytest.mark.parametrize("done", [49, 56, 61])
def test_a_visit_on_either_end_of_its_window_is_no_deviation(done: int) -> None:
    """Day 49 and day 61 are inside."""
    assert visit_deviation(WINDOW, on_day(done), on_day(100)) is None


@pytest.mark.parametrize(("today", "missed"), [(40, False), (61, False), (62, True), (500, True)])
def test_a_visit_is_missed_once_its_window_has_closed(today: int, missed: bool) -> None:
    """On the last day it can still be done."""
    expected = Deviation(
        visit="imaging-week-8",
        kind=DeviationKind.MISSED,
        why="imaging-week-8 was not done, window 2026-04-20 to 2026-05-02",
    )

    assert visit_deviation(WINDOW, None, on_day(today)) == (expected if missed else None)


@pytest.mark.parametrize(
    ("done", "today", "status", "why"),
    [
        (None, 48, ImagingStatus.PLANNED, "is planned for 2026-04-27, window 2026-04-20 to 2026-05-02"),
        (None, 49, ImagingStatus.DUE, "is due by 2026-05-02, window 2026-04-20 to 2026-05-02"),
        (None, 61, ImagingStatus.DUE, "is due by 2026-05-02, window 2026-04-20 to 2026-05-02"),
        (None, 62, ImagingStatus.MISSED, "was not done, window 2026-04-20 to 2026-05-02"),
        (49, 49, ImagingStatus.DONE, "was done on 2026-04-20, window 2026-04-20 to 2026-05-02"),
        (61, 100, ImagingStatus.DONE, "was done on 2026-05-02, window 2026-04-20 to 2026-05-02"),
        (
            48,
            48,
            ImagingStatus.DONE_OUT_OF_WINDOW,
            "was done on 2026-04-19, 1 day early, window 2026-04-20 to 2026-05-02",
        ),
        (
            63,
            100,
            ImagingStatus.DONE_OUT_OF_WINDOW,
            "was done on 2026-05-04, 2 days late, window 2026-04-20 to 2026-05-02",
        ),
    ],
)
def test_a_planned_assessment_stands_somewhere(done: int | None, today: int, status: ImagingStatus, why: str) -> None:
    """Planned, due, done, done out of window or missed, each in words."""
    done_on = None if done is None else on_day(done)
    scans = {} if done_on is None else {"imaging-week-8": done_on}

    assert imaging_status([WINDOW], scans, on_day(today)) == (
        ImagingRow(window=WINDOW, done_on=done_on, status=status, why=f"imaging-week-8 {why}"),
    )


def test_the_overview_keeps_the_order_of_the_visits() -> None:
    """Each visit takes its own scan; scans of other visits are left out."""
    later = visit_window(WEEK_8.model_copy(update={"id": "imaging-week-16", "day": 112}), DAY_0)
    rows = imaging_status([WINDOW, later], {"imaging-week-8": on_day(56), "imaging-week-4": on_day(28)}, on_day(60))

    assert [(row.window.visit, row.status) for row in rows] == [
        ("imaging-week-8", ImagingStatus.DONE),
        ("imaging-week-16", ImagingStatus.PLANNED),
    ]


@pytest.mark.parametrize("planned", [date(2026, 4, 19), date(2026, 5, 3)])
def test_a_window_holds_its_planned_day(planned: date) -> None:
    """A window beside its planned day is a slip."""
    with pytest.raises(ValidationError, match=r"imaging-week-8: planned_on .* is outside 2026-04-20 to 2026-05-02"):
        VisitWindow(visit=WINDOW.visit, planned_on=planned, opens_on=WINDOW.opens_on, closes_on=WINDOW.closes_on)


def test_a_window_may_be_one_day() -> None:
    """Its only day is inside."""
    day = visit_window(WEEK_8.model_copy(update={"window_before_days": 0, "window_after_days": 0}), DAY_0)

    assert (day.opens_on, day.planned_on, day.closes_on) == (on_day(56), on_day(56), on_day(56))
    assert visit_deviation(day, on_day(56), on_day(57)) is None


@given(done=st.integers(0, 120), today=st.integers(0, 200))
def test_a_done_visit_deviates_exactly_outside_its_window(done: int, today: int) -> None:
    """Whatever today is, only the day of the visit counts; the days lead back to the window's end."""
    deviation = visit_deviation(WINDOW, on_day(done), on_day(today))

    assert (deviation is None) == (49 <= done <= 61)
    if deviation is not None:
        assert deviation.days == (49 - done if deviation.kind is DeviationKind.EARLY else done - 61)
