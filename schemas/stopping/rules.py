"""
Stopping rules as data, the safety records that they read, and what they find.

A rule that fires holds an arm or the study until the committee has met; it decides nothing else (FDA, Considerations
for the Development of CAR T Cell Products, January 2024, section VI.D, as named in docs/domain.md, section 3).
"""

from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.base import ArmId, Frozen
from schemas.safety.adverse_events import FATAL, EventCategory

Phase = Literal[1, 2]
Grade = Annotated[int, Field(ge=1, le=5, description="CTCAE 5.0; 5 is death.")]


class StoppingScope(StrEnum):
    """Whose participants a rule counts, and what it holds: one arm, or the whole study."""

    ARM = "arm"
    STUDY = "study"


class _Rule(Frozen):
    """The fields of every rule; `text` is the protocol's own sentence."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    text: str = Field(min_length=1)
    scope: StoppingScope


class _EventRule(_Rule):
    """Which events count: of participants in `phases`, from `minimum_grade` up; `categories` left out means all."""

    phases: tuple[Phase, ...] = Field(min_length=1)
    minimum_grade: Grade
    categories: tuple[EventCategory, ...] | None = Field(default=None, min_length=1)
    related_only: bool


class RelatedDeathRule(_Rule):
    """
    Fires at more than `maximum` deaths related to the study treatment; with 0, at the first.

    With `within_days`, only deaths up to that day after the participant's last infusion, itself included.
    """

    kind: Literal["related_death"]
    maximum: int = Field(ge=0)
    within_days: int | None = Field(default=None, ge=0, le=3650)


class EventCountRule(_EventRule):
    """Fires at `fires_at` events, whoever has them: two of one participant are two."""

    kind: Literal["event_count"]
    fires_at: int = Field(ge=1)


class TableRow(Frozen):
    """Up to so many treated participants, the rule fires at so many of them with an event."""

    treated_up_to: int = Field(ge=1)
    fires_at: int = Field(ge=1)


class TableBoundary(Frozen):
    """An explicit boundary; beyond its last row that row holds, which is the stricter reading."""

    kind: Literal["table"]
    rows: tuple[TableRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        for low, high in pairwise(self.rows):
            if high.treated_up_to <= low.treated_up_to or high.fires_at < low.fires_at:
                raise ValueError("rows: treated_up_to must ascend, and fires_at must not fall")
        return self


class PosteriorBoundary(Frozen):
    """
    Fires when P(rate > `maximum_rate`) is at least `posterior_probability`, from `minimum_treated` participants on.

    The prior of the rate is Beta(`prior_alpha`, `prior_beta`), as if that many participants with and without an event
    had been seen before (Thall PF, Simon R. Biometrics 1994;50:337-349).
    """

    kind: Literal["posterior"]
    maximum_rate: float = Field(gt=0, lt=1)
    posterior_probability: float = Field(gt=0, lt=1)
    prior_alpha: int = Field(ge=1)
    prior_beta: int = Field(ge=1)
    minimum_treated: int = Field(ge=1)


class EventRateRule(_EventRule):
    """Fires when too many of the treated participants have at least one such event, by the boundary."""

    kind: Literal["event_rate"]
    boundary: Annotated[TableBoundary | PosteriorBoundary, Field(discriminator="kind")]


StoppingRule = Annotated[RelatedDeathRule | EventRateRule | EventCountRule, Field(discriminator="kind")]


def _different_ids(rules: tuple[StoppingRule, ...]) -> tuple[StoppingRule, ...]:
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ValueError(f"the ids of stopping rules must differ, got {ids}")
    return rules


StoppingRules = Annotated[tuple[StoppingRule, ...], AfterValidator(_different_ids)]


class SafetyEvent(Frozen):
    """
    An adverse event as the rules read it, in its latest version.

    `grade` is the worst; `ended_on` of a fatal event is the day of death (CDISC AEENDTC).
    """

    event_id: str
    term: str
    category: EventCategory
    grade: Grade
    related: bool = Field(description="To any part of the study treatment, possible or above.")
    onset_on: date
    ended_on: date | None = None
    fatal: bool

    @property
    def is_death(self) -> bool:
        """Whether the event was fatal, by its outcome or by its grade."""
        return self.fatal or self.grade == FATAL

    @property
    def died_on(self) -> date:
        """The day of death; the onset while it is not known, which never puts it too late to count."""
        return self.ended_on or self.onset_on


class SafetyRecord(Frozen):
    """One participant's events; `treated` with at least one infusion, `phase` when the place was given."""

    subject: str
    arm: ArmId
    treated: bool
    phase: Phase
    last_infusion_on: date | None = None
    events: tuple[SafetyEvent, ...] = ()


class CountedEvent(Frozen):
    """An event that a finding counts."""

    subject: str
    event_id: str
    term: str
    grade: Grade
    onset_on: date


class StoppingFinding(Frozen):
    """A rule that fires: on how many of how many treated participants or events, and why."""

    rule_id: str
    scope: StoppingScope
    arm: ArmId | None = Field(default=None, description="None for a rule of the study's scope.")
    count: int
    treated: int
    fires_at: int
    why: str
    subjects: tuple[str, ...]
    events: tuple[CountedEvent, ...]
