"""
The safety summary of a participant that its workflow sends to the arm and the study.

A field that is added later must be none by default: summaries are part of the packets that decisions sign.
"""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.base import Frozen, SubjectId
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.safety.adverse_events import EventCategory
from schemas.screening.panel import Antigen

SEVERE = 3
"""CTCAE grade 3 is severe: the committee sees every event of this grade or above."""


class EventDlt(StrEnum):
    """
    The status of an event as a dose-limiting toxicity.

    Pending: the criterion's duration is not over. Candidate: a criterion is met, or the reporter judged it so, and
    the committee has not judged it. Confirmed or rejected: the committee has (docs/domain.md, section 3).
    """

    NONE = "none"
    PENDING = "pending"
    CANDIDATE = "candidate"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


OPEN_DLT = (EventDlt.PENDING, EventDlt.CANDIDATE)


class DoseInfused(Frozen):
    """One CAR-NK infusion: its local date, the viable CAR-positive cells in millions, and the unit."""

    infused_on: date
    million_cells: float = Field(ge=0)
    unit_id: str


class ReportedEvent(Frozen):
    """
    An adverse event in its latest version.

    `grade` is the reporter's worst CTCAE grade (1-5), `computed_grade` what the grading rules make of the findings
    (0-5, none where no rule applies). `dlt_criterion` names the protocol's criterion behind `dlt`.
    """

    event_id: str
    version: int = Field(ge=1)
    term: str
    category: EventCategory
    grade: int = Field(ge=1, le=5)
    onset_on: date
    ended_on: date | None = None
    related: bool
    serious: bool
    dlt: EventDlt = EventDlt.NONE
    dlt_criterion: str | None = None
    computed_grade: int | None = Field(default=None, ge=0, le=5)
    fatal: bool | None = Field(default=None, description="True where the outcome was fatal below grade 5, else none.")

    @property
    def severe(self) -> bool:
        """Whether the event is of grade 3 or above, by the reporter or by the grading rules."""
        return max(self.grade, self.computed_grade or 0) >= SEVERE


class SafetySummary(Frozen):
    """
    The safety data of one participant, as sent by the participant's own workflow.

    `million_cells` is the planned dose per infusion; `follow_up_until` is the last day on which the participant was
    seen; `ended` is how participation ended, none while it continues.
    """

    subject: SubjectId
    target: tuple[Antigen, ...] = Field(min_length=1)
    cohort: int = Field(ge=1)
    level: int = Field(ge=1)
    million_cells: float = Field(gt=0)
    infusions: tuple[DoseInfused, ...] = ()
    day_zero: date | None = None
    dlt: DltStatus | None = None
    dlt_reason: str | None = None
    follow_up_until: date | None = None
    ended: Disposition | None = None
    events: tuple[ReportedEvent, ...] = ()


class FiredRule(Frozen):
    """A stopping rule of the protocol that has fired: which, why in words, and when."""

    rule: str
    why: str
    fired_on: date | None = None
    arm: str | None = Field(default=None, description="None for a rule of the study's scope.")
    count: int | None = Field(default=None, description="The count on which it fired; it fires again above it.")
    subjects: tuple[str, ...] | None = Field(default=None, description="Who was counted.")


class Finding(Frozen):
    """Why an earlier decision was reopened: what was known then, and what is known now."""

    cohort: int = Field(ge=1)
    about: str
    known_then: str
    known_now: str
