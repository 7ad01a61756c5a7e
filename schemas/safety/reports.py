"""
Safety rules as data, and what they find: dose-limiting toxicities, reports with a clock, versions of an event.

All days are calendar days and all grades CTCAE 5.0 (ASTCT for CRS and ICANS). The protocol file fills the rules; the
findings are built only by `decisions.dlt.criteria`, `decisions.safety.reporting_clocks` and
`decisions.safety.amendments`.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.base import Frozen
from schemas.safety.adverse_events import AdverseEvent, EventCategory, Seriousness, StudyPart

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]
EventId = Annotated[str, Field(pattern=r"^AE-[0-9]{3,6}$", description="A running number within a participant.")]
GradeLimit = Annotated[int, Field(ge=1, le=5)]
DayCount = Annotated[int, Field(ge=1, le=3650)]
Term = Annotated[str, Field(min_length=2, max_length=120)]


# Dose-limiting toxicities


class DltCriterion(Frozen):
    """
    An event of one of `categories` (any, if none is named) and of `minimum_grade` or more may be dose-limiting.

    A duration makes it depend on what comes after the day on which that grade was reached; at most one is given:

    - `unless_at_most_grade` with `within_days`: not if the grade fell so far at most so many days after that day;
    - `unless_at_most_grade` with `by_window_day`: not if it had fallen so far on that day, counted from day 0;
    - `lasting_more_than_days`: only if it did not fall below `minimum_grade` within so many days.

    `seriousness` names criteria of ICH E2A of which the event must meet one as well.
    """

    id: RuleId
    text: str = Field(min_length=2)
    categories: tuple[EventCategory, ...] = ()
    minimum_grade: GradeLimit
    unless_at_most_grade: int | None = Field(default=None, ge=0, le=4)
    within_days: DayCount | None = None
    by_window_day: DayCount | None = None
    lasting_more_than_days: DayCount | None = None
    seriousness: tuple[Seriousness, ...] = ()

    @model_validator(mode="after")
    def _one_duration(self) -> Self:
        durations = (self.within_days, self.by_window_day, self.lasting_more_than_days)
        if sum(given is not None for given in durations) > 1:
            raise ValueError("only one of within_days, by_window_day and lasting_more_than_days can hold")
        improves_by_a_day = self.within_days is not None or self.by_window_day is not None
        if (self.unless_at_most_grade is not None) != improves_by_a_day:
            raise ValueError("unless_at_most_grade goes together with within_days or by_window_day")
        if self.unless_at_most_grade is not None and self.unless_at_most_grade >= self.minimum_grade:
            raise ValueError("unless_at_most_grade must be below minimum_grade")
        return self


class DltExclusion(Frozen):
    """
    An event that is never dose-limiting, up to `maximum_grade`: by CTCAE term (in any case), by category, or by both.

    With `maximum_days` it is excluded only if the grade that the criterion asks for was over within so many days.
    """

    id: RuleId
    text: str = Field(min_length=2)
    terms: tuple[Term, ...] = ()
    categories: tuple[EventCategory, ...] = ()
    maximum_grade: GradeLimit
    maximum_days: DayCount | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.terms and not self.categories:
            raise ValueError("an exclusion needs terms or categories")
        return self


class DltDefinition(Frozen):
    """Which events may be dose-limiting, when related to one of `counted_parts`, and which never are."""

    counted_parts: tuple[StudyPart, ...] = Field(min_length=1)
    criteria: tuple[DltCriterion, ...] = Field(min_length=1)
    exclusions: tuple[DltExclusion, ...] = ()

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        _check_differ("id", [*(rule.id for rule in self.criteria), *(rule.id for rule in self.exclusions)])
        return self


class DltFindingStatus(StrEnum):
    """`PENDING` depends on a duration that is not over; a `CANDIDATE` is put to the SRC."""

    NONE = "none"
    PENDING = "pending"
    CANDIDATE = "candidate"


class DltFinding(Frozen):
    """
    The definition's finding on an event on a day.

    `criterion` is what makes it a candidate or pending; none for a candidate by the reporter's judgement. `exclusion`
    is what takes an event out that would meet a criterion. A pending event is judged again after the day `until`.
    """

    status: DltFindingStatus
    criterion: str | None = None
    exclusion: str | None = None
    until: date | None = None
    why: str


# Reports with a clock


class SpecialInterest(Frozen):
    """Events of this category take the route of an SAE from `minimum_grade` on, serious or not."""

    category: EventCategory
    minimum_grade: GradeLimit


class ReportingClocks(Frozen):
    """How soon a safety report is due (ICH E2A; 21 CFR 312.32): hours from awareness, calendar days from receipt."""

    sae_hours: int = Field(ge=1, le=240)
    fatal_or_life_threatening_days: DayCount
    other_days: DayCount
    follow_up_days: DayCount = Field(
        description="Counted on from the last day of the fatal or life-threatening report."
    )
    special_interest: tuple[SpecialInterest, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.fatal_or_life_threatening_days > self.other_days:
            raise ValueError("fatal_or_life_threatening_days must not be above other_days")
        _check_differ("category", [interest.category for interest in self.special_interest])
        return self


class ReportKind(StrEnum):
    """The reports that have a clock; an event of special interest is reported as an SAE is."""

    SAE = "sae"
    SUSAR = "susar"
    SUSAR_FOLLOW_UP = "susar_follow_up"


class ReportDue(Frozen):
    """A report that is due, up to and including `due_at`."""

    kind: ReportKind
    clock_started_at: AwareDatetime
    due_at: AwareDatetime
    why: str


class ReportRow(Frozen):
    """A report that is due, and when it was made."""

    due: ReportDue
    reported_at: AwareDatetime | None = None


class TimelinessStatus(StrEnum):
    """`MET` and `LATE` are reported; `OPEN` and `OVERDUE` are not."""

    MET = "met"
    LATE = "late"
    OPEN = "open"
    OVERDUE = "overdue"


class Timeliness(Frozen):
    """Whether a report kept its clock; `by` is the time past its due time, none while that is kept."""

    status: TimelinessStatus
    by: timedelta | None = None
    why: str


class ClockCounts(Frozen):
    """How many reports of a kind kept their clock."""

    kind: ReportKind
    met: int = 0
    late: int = 0
    open: int = 0
    overdue: int = 0


# Amendments


class EventVersion(Frozen):
    """One version of an adverse event; an amendment adds the next and leaves the earlier ones as they are."""

    event_id: EventId
    version: int = Field(ge=1)
    event: AdverseEvent


class FieldChange(Frozen):
    """A field that an amendment changes; `old` and `new` are JSON texts."""

    field: str
    old: str
    new: str


def _check_differ(what: str, values: Iterable[str]) -> None:
    listed = list(values)
    twice = sorted({value for value in listed if listed.count(value) > 1})
    if twice:
        raise ValueError(f"{what} stands twice: {', '.join(twice)}")
