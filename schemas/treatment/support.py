"""
Support of the CAR-NK cells after their infusion: cytokine courses, further cycles, and visits in their windows.

The rules are data of the protocol; the verdicts are what follows, and why. Days are calendar days at the site.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Frozen
from schemas.safety.adverse_events import AdverseEvent, EventCategory

Days = Annotated[int, Field(ge=1, le=3650)]
ResponseCode = Literal["CR", "PR", "SD", "PD", "NE"]
"""The overall response at a tumour assessment by RECIST 1.1."""


class SupportState(StrEnum):
    """What follows: give, hold and stop for cytokines; offer, not yet and never for a further cycle."""

    GIVE = "give"
    HOLD = "hold"
    STOP = "stop"
    OFFER = "offer"
    NOT_YET = "not_yet"
    NEVER = "never"


class SupportVerdict(Frozen):
    """
    A rule's verdict on a day, with every reason.

    `since` is the first day of an unbroken hold. `next_on` is the day to check again when held, and the first day on
    which a further cycle may be offered when that depends on time; otherwise none.
    """

    state: SupportState
    judged_on: date
    reasons: tuple[str, ...] = Field(min_length=1)
    since: date | None = None
    next_on: date | None = None

    @property
    def why(self) -> str:
        """All reasons in one sentence."""
        return "; ".join(self.reasons)


# Cytokines


class DoseUnit(StrEnum):
    """The unit of a cytokine's dose: by body surface or by body weight."""

    MILLION_UNITS_PER_M2 = "million_units_per_m2"
    MICROGRAMS_PER_KG = "micrograms_per_kg"


class Route(StrEnum):
    """How a cytokine is given."""

    SUBCUTANEOUS = "subcutaneous"
    INTRAVENOUS = "intravenous"


class CytokineAgent(Frozen):
    """
    One cytokine that the protocol allows, such as 'low-dose IL-2' or 'IL-15 agonist'.

    `dose` is the highest for one administration, in `unit`. Two administrations lie at least `interval_days` apart.
    """

    id: str = Field(min_length=2, max_length=60)
    dose: float = Field(gt=0)
    unit: DoseUnit
    route: Route
    maximum_administrations: int = Field(ge=1, le=30)
    interval_days: int = Field(ge=1, le=60)


class ToxicityLimit(Frozen):
    """Met by an event of the category at `grade` (1-5) or above: ASTCT for CRS and ICANS, CTCAE 5.0 for the others."""

    category: EventCategory
    grade: int = Field(ge=1, le=5)


class CytokineRules(Frozen):
    """
    Which cytokines may be given, and which toxicity holds or stops them (docs/domain.md, section 6).

    An event at a limit of `hold_at` holds the course while it is ongoing; one at a limit of `stop_at` since the first
    infusion stops it for good, as does one of `stop_at_related_grade` (1-5) or above that is related to the cytokine.
    A hold may last `maximum_hold_days`, counted from its first day; one day more and it is a stop.
    """

    agents: tuple[CytokineAgent, ...] = Field(min_length=1)
    hold_at: tuple[ToxicityLimit, ...] = Field(min_length=1)
    stop_at: tuple[ToxicityLimit, ...] = Field(min_length=1)
    stop_at_related_grade: int = Field(ge=1, le=5)
    maximum_hold_days: Days
    recheck_after_days: Days

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if len({agent.id for agent in self.agents}) != len(self.agents):
            raise ValueError("agents: an id stands twice")
        for name, limits in (("hold_at", self.hold_at), ("stop_at", self.stop_at)):
            if len({limit.category for limit in limits}) != len(limits):
                raise ValueError(f"{name}: a category stands twice")
        held = {limit.category: limit.grade for limit in self.hold_at}
        for limit in self.stop_at:
            if limit.grade < held.get(limit.category, 0):
                raise ValueError(f"stop_at: {limit.category} stops at grade {limit.grade}, below where it is held")
        return self

    def agent(self, agent_id: str) -> CytokineAgent | None:
        """Return the agent with the id, if the protocol allows it."""
        return next((agent for agent in self.agents if agent.id == agent_id), None)


class ToxicityCheck(Frozen):
    """CRS and ICANS grades (ASTCT, 0-5) as the last check or visit found them; they count until the next one."""

    checked_on: date
    crs_grade: int = Field(default=0, ge=0, le=5)
    icans_grade: int = Field(default=0, ge=0, le=5)


class CytokineDoses(Frozen):
    """A course as a site reports it: the agent, the dose of each administration, and the days."""

    agent: str
    dose: float = Field(ge=0)
    unit: DoseUnit
    administered_on: tuple[date, ...] = ()


# Further cycles


class RetreatmentRules(Frozen):
    """
    When further cycles of CAR-NK infusions may be offered after the planned ones.

    `maximum_cycles` counts the further ones. Time counts in days after the last infusion, both limits included.
    `maximum_unresolved_grade` (0-4) is the highest grade that a related event may still have. With `no_dlt` a
    dose-limiting toxicity excludes; with `product_needed` the bank must hold the cycle's units before the offer.
    Lymphodepletion is repeated when the cycle's first infusion comes more than `lymphodepletion_repeat_after_days`
    after the last lymphodepletion. `infusion_days` count from the cycle's first infusion, which is 0.
    """

    maximum_cycles: int = Field(ge=0, le=20)
    eligible_responses: tuple[ResponseCode, ...] = Field(min_length=1)
    minimum_days_since_last_infusion: Days
    maximum_days_since_last_infusion: Days
    maximum_unresolved_grade: int = Field(ge=0, le=4)
    no_dlt: bool
    product_needed: bool
    lymphodepletion_repeat_after_days: Days
    infusion_days: tuple[int, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.minimum_days_since_last_infusion > self.maximum_days_since_last_infusion:
            raise ValueError("minimum_days_since_last_infusion must not be above maximum_days_since_last_infusion")
        if self.infusion_days[0] != 0 or list(self.infusion_days) != sorted(set(self.infusion_days)):
            raise ValueError(f"infusion_days must start at 0 and ascend, got {list(self.infusion_days)}")
        return self


class ResponseOn(Frozen):
    """The response at a tumour assessment and the day of its scan."""

    on: date
    response: ResponseCode


class TreatmentRecord(Frozen):
    """
    What is known of a participant when a further cycle is considered.

    `cycles_given` are further cycles begun. `dlt` is none while the DLT window is open. `units_available` are units in
    the bank that fit target and dose. `lowest_toxic_level` is the arm's, if it has one.
    """

    cycles_given: int = Field(ge=0)
    level: int = Field(ge=1)
    last_infusion_on: date | None = None
    responses: tuple[ResponseOn, ...] = ()
    progressed: bool = False
    dlt: bool | None = None
    events: tuple[AdverseEvent, ...] = ()
    treatment_stopped: bool = False
    holds: tuple[str, ...] = ()
    units_available: int = Field(default=0, ge=0)
    lowest_toxic_level: int | None = Field(default=None, ge=1)


# Visits


class VisitWindow(Frozen):
    """A visit's planned day and the days on which it may be done, both ends included."""

    visit: str
    planned_on: date
    opens_on: date
    closes_on: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.opens_on <= self.planned_on <= self.closes_on:
            raise ValueError(
                f"{self.visit}: planned_on {self.planned_on} is outside {self.opens_on} to {self.closes_on}"
            )
        return self


class DeviationKind(StrEnum):
    """How a visit departs from its window."""

    MISSED = "missed"
    EARLY = "early"
    LATE = "late"


class Deviation(Frozen):
    """A visit out of its window; `days` counts from the nearer end of the window, none for a missed visit."""

    visit: str
    kind: DeviationKind
    days: int | None = Field(default=None, ge=1)
    why: str


class ImagingStatus(StrEnum):
    """The status of a planned tumour assessment."""

    PLANNED = "planned"
    DUE = "due"
    DONE = "done"
    DONE_OUT_OF_WINDOW = "done_out_of_window"
    MISSED = "missed"


class ImagingRow(Frozen):
    """A row of the imaging overview."""

    window: VisitWindow
    done_on: date | None = None
    status: ImagingStatus
    why: str
