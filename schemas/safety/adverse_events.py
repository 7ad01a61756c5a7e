"""
Adverse events as a site records them: CTCAE 5.0 grades, ICH E2A seriousness, causality for each part of the treatment.

Names follow CDISC SDTM AE. An event is amended by a new version of the whole event; nothing is overwritten.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any, Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.base import Frozen
from schemas.safety.toxicity import CrsObservation, GvhdStages, IcansObservation, InfusionReactionObservation


class StudyPart(StrEnum):
    """The parts of the study treatment that an event may be related to."""

    LYMPHODEPLETION = "lymphodepletion"
    CAR_NK = "car_nk"
    CYTOKINE = "cytokine"
    BIOPSY = "biopsy"


class Causality(StrEnum):
    """How likely a part caused the event (WHO-UMC); possible and above count as related."""

    NOT_RELATED = "not_related"
    UNLIKELY = "unlikely"
    POSSIBLE = "possible"
    PROBABLE = "probable"
    DEFINITE = "definite"


FATAL = 5
"""CTCAE grade 5 is death."""
RELATED = frozenset({Causality.POSSIBLE, Causality.PROBABLE, Causality.DEFINITE})


class Seriousness(StrEnum):
    """The criteria of ICH E2A; an event that meets one is serious."""

    DEATH = "death"
    LIFE_THREATENING = "life_threatening"
    HOSPITALISATION = "hospitalisation"
    DISABILITY = "disability"
    CONGENITAL_ANOMALY = "congenital_anomaly"
    MEDICALLY_IMPORTANT = "medically_important"


class ActionTaken(StrEnum):
    """What was done with study treatment (AEACN)."""

    DOSE_NOT_CHANGED = "dose_not_changed"
    TREATMENT_DELAYED = "treatment_delayed"
    TREATMENT_STOPPED = "treatment_stopped"
    NOT_APPLICABLE = "not_applicable"


class EventOutcome(StrEnum):
    """How the event ended (AEOUT)."""

    RECOVERED = "recovered"
    RECOVERED_WITH_SEQUELAE = "recovered_with_sequelae"
    RECOVERING = "recovering"
    NOT_RECOVERED = "not_recovered"
    FATAL = "fatal"
    UNKNOWN = "unknown"


class EventCategory(StrEnum):
    """What the rules of the protocol distinguish; `ORGAN` is cardiac, pulmonary, renal, hepatic or neurological."""

    CRS = "crs"
    ICANS = "icans"
    GVHD = "gvhd"
    INFUSION_REACTION = "infusion_reaction"
    HAEMATOLOGICAL = "haematological"
    ORGAN = "organ"
    LABORATORY = "laboratory"
    OTHER = "other"


class GradeOn(Frozen):
    """The grade from a day on; 0 means that the event was gone."""

    on: date
    grade: int = Field(ge=0, le=5)


class AdverseEvent(Frozen):
    """
    An adverse event by CTCAE 5.0.

    `grade` is the worst so far (1-5). `course` has later grades, in the order of their days: before its first entry
    the worst grade is assumed. `dlt` is the reporter's own judgement that it is dose-limiting; `related` is true when
    at least one part of the treatment is a possible cause, and follows from `causality` where that is given.
    """

    term: str = Field(min_length=2, max_length=120)
    grade: int = Field(ge=1, le=5)
    onset_on: date
    ended_on: date | None = None
    related: bool
    dlt: bool = False
    category: EventCategory = EventCategory.OTHER
    course: tuple[GradeOn, ...] = ()
    causality: dict[StudyPart, Causality] = Field(default_factory=dict)
    seriousness: tuple[Seriousness, ...] = ()
    expected: bool | None = Field(default=None, description="By the reference safety information; unknown if left out.")
    action: ActionTaken | None = None
    outcome: EventOutcome | None = None
    aware_at: AwareDatetime | None = Field(default=None, description="When the site came to know; else when reported.")
    crs: CrsObservation | None = None
    icans: IcansObservation | None = None
    gvhd: GvhdStages | None = None
    infusion_reaction: InfusionReactionObservation | None = None

    @model_validator(mode="before")
    @classmethod
    def _related_follows_causality(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if isinstance(given, Mapping) and given.get("causality") and "related" not in given:
            related = any(str(value) in RELATED for value in dict(given["causality"]).values())
            return {**given, "related": related}
        return given

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.ended_on is not None and self.ended_on < self.onset_on:
            raise ValueError(f"ended_on {self.ended_on} is before onset_on {self.onset_on}")
        if self.causality and self.related != any(value in RELATED for value in self.causality.values()):
            raise ValueError("related must be true exactly when some part's causality is possible or above")
        if self.dlt and not self.related:
            raise ValueError("a dose-limiting toxicity is related by definition: related must be true")
        if (self.grade == FATAL) != (Seriousness.DEATH in self.seriousness) and self.seriousness:
            raise ValueError("grade 5 and the seriousness criterion 'death' go together")
        self._check_course()
        self._check_observations()
        return self

    def _check_observations(self) -> None:
        for category in (EventCategory.CRS, EventCategory.ICANS, EventCategory.GVHD, EventCategory.INFUSION_REACTION):
            if getattr(self, category.value) is not None and self.category is not category:
                raise ValueError(f"{category.value}: observations belong to an event of category {category.value}")

    def _check_course(self) -> None:
        days = [self.onset_on, *(entry.on for entry in self.course), *([self.ended_on] if self.ended_on else [])]
        if any(later < earlier for earlier, later in pairwise(days)):
            raise ValueError("course: days must ascend between onset_on and ended_on")
        if any(entry.grade > self.grade for entry in self.course):
            raise ValueError(f"course: a grade is above the worst grade, {self.grade}")

    @property
    def serious(self) -> bool:
        """Whether the event meets a seriousness criterion (ICH E2A)."""
        return bool(self.seriousness) or self.grade == FATAL
