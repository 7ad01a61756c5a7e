"""Visits out of their windows, which are protocol deviations, and the status of each planned tumour assessment."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from schemas.protocol import Visit
from schemas.treatment.support import Deviation, DeviationKind, ImagingRow, ImagingStatus, VisitWindow


def visit_window(visit: Visit, day_zero: date) -> VisitWindow:
    """Return the visit's planned day and window, both ends included; day 0 is the first infusion."""
    planned_on = day_zero + timedelta(days=visit.day)
    return VisitWindow(
        visit=visit.id,
        planned_on=planned_on,
        opens_on=planned_on - timedelta(days=visit.window_before_days),
        closes_on=planned_on + timedelta(days=visit.window_after_days),
    )


def visit_deviation(window: VisitWindow, done_on: date | None, today: date) -> Deviation | None:
    """
    Return how the visit departs from its window, or none where it does not, or not yet.

    Both ends of the window are inside. A visit that is not done is missed from the day after its window closes;
    `today` is the site's calendar day, or the day on which participation ended.
    """
    if done_on is None:
        return _missed(window) if today > window.closes_on else None
    if done_on < window.opens_on:
        return _out_of_window(window, DeviationKind.EARLY, done_on, (window.opens_on - done_on).days)
    if done_on > window.closes_on:
        return _out_of_window(window, DeviationKind.LATE, done_on, (done_on - window.closes_on).days)
    return None


def imaging_status(planned: Iterable[VisitWindow], done_on: Mapping[str, date], today: date) -> tuple[ImagingRow, ...]:
    """
    Return the status of each planned tumour assessment, in the order given.

    `done_on` holds the day of the scan by visit; scans of other visits are left out. `today` is as in
    `visit_deviation`.
    """
    return tuple(_imaging_row(window, done_on.get(window.visit), today) for window in planned)


def _imaging_row(window: VisitWindow, done_on: date | None, today: date) -> ImagingRow:
    deviation = visit_deviation(window, done_on, today)
    status, why = _status_in_window(window, done_on, today)
    if deviation is not None:
        missed = deviation.kind is DeviationKind.MISSED
        status, why = ImagingStatus.MISSED if missed else ImagingStatus.DONE_OUT_OF_WINDOW, deviation.why
    return ImagingRow(window=window, done_on=done_on, status=status, why=why)


def _status_in_window(window: VisitWindow, done_on: date | None, today: date) -> tuple[ImagingStatus, str]:
    if done_on is not None:
        return ImagingStatus.DONE, f"{window.visit} was done on {done_on}, {_in_words(window)}"
    if today < window.opens_on:
        return ImagingStatus.PLANNED, f"{window.visit} is planned for {window.planned_on}, {_in_words(window)}"
    return ImagingStatus.DUE, f"{window.visit} is due by {window.closes_on}, {_in_words(window)}"


def _missed(window: VisitWindow) -> Deviation:
    why = f"{window.visit} was not done, {_in_words(window)}"
    return Deviation(visit=window.visit, kind=DeviationKind.MISSED, why=why)


def _out_of_window(window: VisitWindow, kind: DeviationKind, done_on: date, days: int) -> Deviation:
    unit = "day" if days == 1 else "days"
    why = f"{window.visit} was done on {done_on}, {days} {unit} {kind}, {_in_words(window)}"
    return Deviation(visit=window.visit, kind=kind, days=days, why=why)


def _in_words(window: VisitWindow) -> str:
    return f"window {window.opens_on} to {window.closes_on}"
