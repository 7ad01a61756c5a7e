"""
What the safety review committee (SRC) reads before it decides on an arm's cohort (docs/domain.md, sections 3 and 4).

A packet holds data alone, no time of making and no layout: what the decision's electronic signature names is its hash.
A field that is added later must be none by default, so that the packets of earlier decisions keep their hash.
"""

from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.base import ArmId, Frozen, StudyId, SubjectId
from schemas.commands.commands import DecisionAction
from schemas.protocol import Escalation, ProtocolReference
from schemas.safety.summary import OPEN_DLT, Finding, FiredRule, ReportedEvent, SafetySummary
from schemas.state.arm import DecisionRecord, LevelTally, Recommendation, SlotRecord


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

    Slots that went back undosed are left out: they are in no count (docs/domain.md, section 3).
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
    """What the rule would recommend if one participant's outcome were another; `differs` from the recommendation."""

    change: WhatIf
    tally: LevelTally
    action: DecisionAction
    level: int | None = None
    why: str
    differs: bool


class PacketContext(Frozen):
    """What the packet has beside the arm's state and its participants; days and counts are the protocol's."""

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
    arrived: they show that the packet is incomplete. `data_until` is the last day on which any of them was seen.
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


class PacketWithHash(Frozen):
    """A packet and its SHA-256 (64 hex digits): what the committee reads, and what its signature names."""

    packet: SafetyPacket
    sha256: str
