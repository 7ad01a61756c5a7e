"""
What the safety review committee (SRC) reads before it decides on an arm's cohort (domain rules, sections 3 and 4).

A packet holds data alone, no time of making and no layout: what the decision's electronic signature names is its hash.
A field that is added later must be none by default, so that the packets of earlier decisions keep their hash.
"""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.adverse_events import EventCategory
from schemas.base import ArmId, Frozen, StudyId, SubjectId
from schemas.commands import DecisionAction
from schemas.protocol import Escalation, ProtocolReference
from schemas.states import (
    DecisionRecord,
    Disposition,
    DltStatus,
    LevelTally,
    Recommendation,
    SlotRecord,
    Target,
)

SEVERE = 3
"""CTCAE grade 3 is severe: the committee sees every event of this grade or above."""


class EventDlt(StrEnum):
    """
    Where an event stands as a dose-limiting toxicity.

    Pending: the criterion's duration is still running. Candidate: a criterion is met or the investigator says so, and
    the committee has not judged it. Confirmed or rejected: the committee has (domain rules, section 3).
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

    @property
    def severe(self) -> bool:
        """Whether the event is of grade 3 or above, by the reporter or by the grading rules."""
        return max(self.grade, self.computed_grade or 0) >= SEVERE


class SafetySummary(Frozen):
    """
    What the arm knows of one participant, as the participant's own workflow tells it.

    `million_cells` is the planned dose per infusion; `follow_up_until` is the last day on which the participant was
    seen; `ended` says how participation ended, none while it goes on.
    """

    subject: SubjectId
    target: Target = Field(min_length=1)
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


class ParticipantEvent(Frozen):
    """An event with whose it is; `day` counts from the participant's day 0, none without an infusion."""

    subject: SubjectId
    cohort: int
    level: int
    day: int | None = None
    event: ReportedEvent


class PacketLevel(Frozen):
    """
    A dose level: planned million cells per infusion, its counts, and its slots in the order they were given.

    Slots that went back undosed are left out: they are in no count (domain rules, section 3).
    """

    level: int
    million_cells: float
    tally: LevelTally
    slots: tuple[SlotRecord, ...] = ()


class WhatIf(StrEnum):
    """The smallest changes of the counts at the current dose level."""

    ONE_MORE_DLT = "one_more_dlt"
    ONE_DLT_FEWER = "one_dlt_fewer"
    ONE_NOT_EVALUABLE = "one_not_evaluable"


class Hypothetical(Frozen):
    """What the rule would say if one participant's outcome were another; `differs` from the recommendation or not."""

    change: WhatIf
    tally: LevelTally
    action: DecisionAction
    level: int | None = None
    why: str
    differs: bool


class FiredRule(Frozen):
    """A stopping rule of the protocol that has fired: which, why in words, and when."""

    rule: str
    why: str
    fired_on: date | None = None


class Finding(Frozen):
    """What an earlier decision went by, and what is known now; the decision was reopened for it."""

    cohort: int = Field(ge=1)
    about: str
    known_then: str
    known_now: str


class PacketContext(Frozen):
    """What the packet tells beside the arm's state and its participants; days and counts are the protocol's."""

    protocol: ProtocolReference
    phase: str = Field(min_length=1)
    dlt_window_days: int | None = Field(default=None, ge=1)
    planned_infusions: int | None = Field(default=None, ge=1)
    fired: tuple[FiredRule, ...] = ()
    reopened: tuple[Finding, ...] = ()


class SafetyPacket(Frozen):
    """
    An arm's cohort as the committee sees it: the rule's recommendation and all data behind it.

    `participants` are those dosed in the arm, this cohort's first. `awaited` are the dosed of whom no summary has
    arrived: the packet is never incomplete in silence. `data_until` is the last day on which any of them was seen.
    """

    study: StudyId
    arm: ArmId
    cohort: int
    level: int
    phase: str
    protocol: ProtocolReference
    rules: Escalation
    dlt_window_days: int | None = None
    planned_infusions: int | None = None
    data_until: date | None = None
    recommendation: Recommendation
    what_would_change_it: tuple[Hypothetical, ...] = ()
    levels: tuple[PacketLevel, ...]
    participants: tuple[SafetySummary, ...] = ()
    awaited: tuple[SubjectId, ...] = ()
    dose_limiting: tuple[ParticipantEvent, ...] = Field(default=(), description="DLTs, candidates and rejected ones.")
    severe_events: tuple[ParticipantEvent, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    holds: tuple[str, ...] = ()
    fired: tuple[FiredRule, ...] = ()
    reopened: tuple[Finding, ...] = ()

    @property
    def open_candidates(self) -> tuple[ParticipantEvent, ...]:
        """The events that may still count as a DLT: their duration runs, or the committee has not judged them."""
        return tuple(found for found in self.dose_limiting if found.event.dlt in OPEN_DLT)
