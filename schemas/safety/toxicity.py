"""
What was observed of a toxicity whose grade follows from observations: CRS, ICANS, acute GVHD, infusion reaction.

An observation has the worst findings of its time. A finding with another cause is marked `..._has_other_cause`: it is
kept, and does not count. Grades are computed in `decisions/`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.base import Frozen


class GradedFinding(Frozen):
    """A finding, and the grade (0-5) that it would give alone."""

    grade: int = Field(ge=0, le=5)
    finding: str = Field(min_length=1)


class ComputedGrade(Frozen):
    """A grade (0-5; 0 is no toxicity) that follows from an observation, with what decided it."""

    grade: int = Field(ge=0, le=5)
    why: str = Field(min_length=1, description="The deciding findings, in words.")
    review: str | None = Field(default=None, description="What a person should check before relying on the grade.")

    @classmethod
    def worst(cls, findings: Iterable[GradedFinding], review: str | None = None) -> Self:
        """Take the highest grade of one finding or more; `why` names every finding that has it."""
        given = tuple(findings)
        grade = max(each.grade for each in given)
        return cls(grade=grade, why="; ".join(each.finding for each in given if each.grade == grade), review=review)


class OxygenSupport(StrEnum):
    """The most oxygen support that was needed; low flow is up to 6 L/min, 6 included, high flow above (Lee 2019)."""

    ROOM_AIR = "room_air"
    LOW_FLOW_NASAL_CANNULA = "low_flow_nasal_cannula"
    BLOW_BY = "blow_by"
    HIGH_FLOW_NASAL_CANNULA = "high_flow_nasal_cannula"
    FACE_MASK = "face_mask"
    NON_REBREATHER_MASK = "non_rebreather_mask"
    VENTURI_MASK = "venturi_mask"
    CPAP = "cpap"
    BIPAP = "bipap"
    MECHANICAL_VENTILATION = "mechanical_ventilation"


class CrsObservation(Frozen):
    """
    What ASTCT grades cytokine release syndrome by (Lee 2019).

    Organ toxicities such as a raised creatinine are no part of it. Oxygen support that is not for hypoxia (CPAP for
    sleep apnoea, intubation to protect the airway) has another cause.
    """

    highest_temperature_celsius: float | None = Field(default=None, ge=30, le=44)
    fever_has_other_cause: bool = False
    antipyretics_given: bool = Field(default=False, description="For CRS that had begun; premedication does not count.")
    anticytokine_therapy_given: bool = Field(
        default=False, description="Tocilizumab, steroids or the like, for CRS that had begun; no premedication."
    )
    hypotension: bool = Field(default=False, description="Present, or kept away by vasopressors.")
    vasopressors: int = Field(default=0, ge=0, le=10, strict=True, description="At once; vasopressin is not counted.")
    vasopressin: bool = False
    hypotension_has_other_cause: bool = False
    oxygen_support: OxygenSupport = OxygenSupport.ROOM_AIR
    hypoxia_has_other_cause: bool = False
    death_due_to_crs: bool = Field(default=False, description="No other cause is the principal one.")

    @property
    def fever_may_be_absent(self) -> bool:
        """Whether treatment of CRS may have taken the fever away."""
        return self.antipyretics_given or self.anticytokine_therapy_given

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.highest_temperature_celsius is None and not (self.fever_may_be_absent or self.death_due_to_crs):
            raise ValueError(
                "highest_temperature_celsius is missing: CRS begins with a fever, so give the temperature, "
                "or say that antipyretics or anticytokine therapy were given for CRS"
            )
        if (self.vasopressors or self.vasopressin) and not self.hypotension:
            raise ValueError("hypotension is false, but a vasopressor was given: hypotension must be true")
        return self


class IceScore(Frozen):
    """The points of the Immune effector Cell-associated Encephalopathy score, item by item (Lee 2019)."""

    orientation: int = Field(ge=0, le=4, strict=True, description="To year, month, city, hospital: 1 each.")
    naming: int = Field(ge=0, le=3, strict=True, description="Three objects: 1 each.")
    following_commands: int = Field(ge=0, le=1, strict=True, description="A simple command.")
    writing: int = Field(ge=0, le=1, strict=True, description="A standard sentence.")
    attention: int = Field(ge=0, le=1, strict=True, description="Counting backwards from 100 by 10.")

    @property
    def points(self) -> int:
        """The sum, 0-10; 10 is no impairment."""
        return self.orientation + self.naming + self.following_commands + self.writing + self.attention


class Consciousness(StrEnum):
    """The level of consciousness; all but `AWAKE` are depressed."""

    AWAKE = "awake"
    AWAKENS_SPONTANEOUSLY = "awakens_spontaneously"
    AWAKENS_TO_VOICE = "awakens_to_voice"
    AWAKENS_TO_TACTILE_STIMULUS = "awakens_to_tactile_stimulus"
    VIGOROUS_OR_REPETITIVE_STIMULUS = "vigorous_or_repetitive_stimulus"
    UNAROUSABLE = "unarousable"


UNABLE_TO_PERFORM_ICE = frozenset({Consciousness.VIGOROUS_OR_REPETITIVE_STIMULUS, Consciousness.UNAROUSABLE})
"""Stupor and coma: the levels at which ICE cannot be performed (Lee 2019); an awake participant scores 0 points."""


class Seizure(StrEnum):
    """The worst seizure; non-convulsive is on EEG, prolonged above 5 minutes, repetitive without return to baseline."""

    NONE = "none"
    RESOLVES_RAPIDLY = "resolves_rapidly"
    NON_CONVULSIVE_RESOLVES = "non_convulsive_resolves"
    PROLONGED = "prolonged"
    REPETITIVE = "repetitive"


class RaisedPressure(StrEnum):
    """The worst sign of raised intracranial pressure or cerebral oedema; oedema is seen on imaging."""

    NONE = "none"
    FOCAL_OEDEMA = "focal_oedema"
    DIFFUSE_OEDEMA = "diffuse_oedema"
    DECEREBRATE_OR_DECORTICATE_POSTURING = "decerebrate_or_decorticate_posturing"
    SIXTH_NERVE_PALSY = "sixth_nerve_palsy"
    PAPILLOEDEMA = "papilloedema"
    CUSHING_TRIAD = "cushing_triad"


class IcansObservation(Frozen):
    """
    What ASTCT grades immune effector cell-associated neurotoxicity syndrome by, in adults (Lee 2019).

    ICE is given as points (0-10), by item, or as `ice_unable`. Tremor and myoclonus are no part of it, nor is
    intracranial haemorrhage, which is asked for since it explains other findings.
    """

    ice_points: Annotated[int, Field(ge=0, le=10, strict=True)] | None = None
    ice_items: IceScore | None = None
    ice_unable: bool = Field(default=False, description="Not performed: unarousable, or for another cause.")
    ice_has_other_cause: bool = False
    consciousness: Consciousness = Consciousness.AWAKE
    consciousness_has_other_cause: bool = Field(default=False, description="Such as sedation.")
    seizure: Seizure = Seizure.NONE
    seizure_has_other_cause: bool = False
    deep_focal_motor_weakness: bool = Field(default=False, description="Such as hemiparesis or paraparesis.")
    motor_has_other_cause: bool = False
    raised_pressure: RaisedPressure = RaisedPressure.NONE
    raised_pressure_has_other_cause: bool = Field(default=False, description="Such as an intracranial haemorrhage.")
    intracranial_haemorrhage: bool = False
    death_due_to_icans: bool = Field(default=False, description="No other cause is the principal one.")

    @property
    def ice(self) -> int | None:
        """The ICE points, 0-10, however they were given; none if ICE was not performed."""
        return self.ice_items.points if self.ice_points is None and self.ice_items is not None else self.ice_points

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        self._check_ice()
        if self.ice_unable and not self.ice_has_other_cause:
            self._check_unarousable()
        return self

    def _check_ice(self) -> None:
        if self.ice is None and not (self.ice_unable or self.death_due_to_icans):
            raise ValueError(
                "ICE is missing: give ice_points (0-10) or ice_items, or ice_unable if it could not be performed"
            )
        if self.ice_items is not None and self.ice != self.ice_items.points:
            raise ValueError(f"ice_points {self.ice} is not the sum of ice_items, {self.ice_items.points}")
        if self.ice_unable and self.ice:
            raise ValueError(f"ice_unable is true, but ICE has {self.ice} points: give the one or the other")

    def _check_unarousable(self) -> None:
        if self.consciousness not in UNABLE_TO_PERFORM_ICE:
            raise ValueError(
                f"ice_unable is true, but consciousness is '{self.consciousness}': a participant who can be roused "
                "scores ice_points 0; if another cause kept ICE from being performed, ice_has_other_cause must be true"
            )
        if self.consciousness_has_other_cause:
            raise ValueError(
                "ice_unable is true, and consciousness has another cause: then ice_has_other_cause must be true too"
            )


Stage = Annotated[int, Field(ge=0, le=4, strict=True)]


class GvhdStages(Frozen):
    """
    The stages of acute GVHD in adults, organ by organ (MAGIC, Harris 2016); 0 is no involvement.

    Only what is due to GVHD counts. Upper gastrointestinal involvement is present (1) or not (0).
    """

    skin: Stage = Field(
        default=0,
        description="Rash on body surface: 1 below 25 %, 2 at 25-50 %, 3 above 50 %, "
        "4 generalised erythroderma with bullae and desquamation above 5 %.",
    )
    liver: Stage = Field(
        default=0, description="Bilirubin, mg/dL: 0 below 2, 1 at 2-3, 2 at 3.1-6, 3 at 6.1-15, 4 above 15."
    )
    lower_gi: Stage = Field(
        default=0,
        description="Stool, mL a day: 0 below 500, 1 at 500-999, 2 at 1000-1500, 3 above 1500; "
        "4 severe abdominal pain with or without ileus, or grossly bloody stool.",
    )
    upper_gi: int = Field(
        default=0, ge=0, le=1, strict=True, description="1 is persistent nausea, vomiting or anorexia."
    )
    death_due_to_gvhd: bool = False


class InfusionReactionObservation(Frozen):
    """What CTCAE 5.0 grades an infusion related reaction by; a reaction with none of these is mild and transient."""

    interruption_indicated: bool = Field(default=False, description="Of the infusion or of therapy.")
    symptomatic_treatment_indicated: bool = Field(
        default=False, description="Such as antihistamines, NSAIDs, narcotics, intravenous fluids."
    )
    prophylaxis_indicated: bool = Field(default=False, description="Medication for up to 24 hours.")
    prolonged: bool = Field(
        default=False, description="No rapid response to symptomatic treatment or to a brief interruption."
    )
    recurred_after_improvement: bool = False
    hospitalisation_indicated: bool = Field(default=False, description="For clinical sequelae.")
    life_threatening: bool = Field(default=False, description="Urgent intervention indicated.")
    death_due_to_reaction: bool = False
