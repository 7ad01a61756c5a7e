"""The protocol as data. Days count from day 0, the first infusion, unless a field has another origin."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.base import ArmId, Frozen, Role
from schemas.phase_two.expansion import SimonDesign
from schemas.response.tumour import RecistRules
from schemas.safety.reports import DltDefinition, ReportingClocks
from schemas.screening.panel import Antigen, SampleType
from schemas.stopping.rules import StoppingRules, StoppingScope
from schemas.treatment.support import CytokineRules, RetreatmentRules

Days = Annotated[int, Field(ge=1, le=3650)]


class Threshold(Frozen):
    """Positive when at least `percent_cells` of tumour cells stain at `minimum_intensity` or more."""

    percent_cells: float = Field(gt=0, le=100)
    minimum_intensity: int = Field(ge=1, le=3)


class PanelEntry(Frozen):
    """An antigen of the panel with its threshold."""

    antigen: Antigen
    threshold: Threshold


class Samples(Frozen):
    """Which samples count, the most preferred first."""

    preference: tuple[SampleType, ...] = Field(min_length=1)
    max_repeat_biopsies: int = Field(ge=0, le=5)
    tissue_max_age_days: Days


class LaboratoryRule(Frozen):
    """A cut-off for one analyte; where `relaxed_by` is true of the form, `relaxed_maximum` holds."""

    analyte: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    relaxed_maximum: float | None = None
    relaxed_by: str | None = Field(default=None, pattern=r"^(liver_metastases|gilbert_syndrome)$")
    plausible_low: float
    plausible_high: float

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("a laboratory rule needs a minimum or a maximum")
        if (self.relaxed_maximum is None) != (self.relaxed_by is None):
            raise ValueError("relaxed_maximum and relaxed_by go together")
        for limit in (self.minimum, self.maximum, self.relaxed_maximum):
            if limit is not None and not self.plausible_low <= limit <= self.plausible_high:
                raise ValueError(f"limit {limit:g} is outside the plausible range")
        return self


class Criterion(Frozen):
    """A criterion's number and short text."""

    id: str = Field(pattern=r"^[IE][1-9]$")
    text: str


class Eligibility(Frozen):
    """Cut-offs behind the criteria that have one."""

    criteria: tuple[Criterion, ...]
    minimum_age_years: int = Field(ge=0, le=120)
    maximum_age_years: int = Field(ge=0, le=120)
    maximum_ecog: int = Field(ge=0, le=5)
    minimum_measurable_lesions: int = Field(ge=1)
    maximum_prednisone_mg_per_day: float = Field(ge=0)
    minimum_months_since_gene_modified_therapy: float = Field(ge=0)
    minimum_months_since_allogeneic_transplant: float = Field(ge=0)
    laboratory: tuple[LaboratoryRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = [f"{letter}{number}" for letter in "IE" for number in range(1, 10)]
        if [criterion.id for criterion in self.criteria] != wanted:
            raise ValueError(f"criteria must be {', '.join(wanted)}, in this order")
        if self.minimum_age_years >= self.maximum_age_years:
            raise ValueError("minimum_age_years must be below maximum_age_years")
        return self


class TreatmentCriteria(Frozen):
    """Re-checked before lymphodepletion and before each infusion."""

    maximum_ecog: int = Field(ge=0, le=5)
    maximum_prednisone_mg_per_day: float = Field(ge=0)
    minimum_oxygen_saturation_percent: float = Field(ge=50, le=100)
    maximum_temperature_celsius: float = Field(ge=36, le=42)
    maximum_crs_grade: int = Field(ge=0, le=4)
    maximum_icans_grade: int = Field(ge=0, le=4)
    laboratory_before_lymphodepletion: bool
    recheck_after_days: Days


class Assignment(Frozen):
    """How a target is chosen where the record leaves it open."""

    fallback_to_single: bool
    product_check_every_days: Days
    product_give_up_after_days: Days


class ArmKind(StrEnum):
    """One antigen or two co-expressed ones."""

    SINGLE = "single"
    DUAL = "dual"


class DoseLevel(Frozen):
    """CAR-positive viable cells per infusion, in millions (flat dose)."""

    level: int = Field(ge=1)
    million_cells: float = Field(gt=0)


class Arm(Frozen):
    """An arm escalates by itself over its dose levels; each of its targets has its own product."""

    id: ArmId
    kind: ArmKind
    targets: tuple[tuple[Antigen, ...], ...] = Field(min_length=1)
    dose_levels: tuple[DoseLevel, ...] = Field(min_length=1)
    start_level: int = Field(ge=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        size = 1 if self.kind is ArmKind.SINGLE else 2
        for target in self.targets:
            if len(set(target)) != size:
                raise ValueError(
                    f"a {self.kind} arm needs {size} different antigen(s) in each target, got {list(target)}"
                )
        levels = [level.level for level in self.dose_levels]
        if levels != list(range(1, len(levels) + 1)):
            raise ValueError(f"dose levels must be numbered 1, 2, 3 ..., got {levels}")
        doses = [level.million_cells for level in self.dose_levels]
        if any(low >= high for low, high in pairwise(doses)):
            raise ValueError(f"dose levels must ascend, got {doses}")
        if self.start_level not in levels:
            raise ValueError(f"start_level {self.start_level} is not a dose level")
        return self


class Lymphodepletion(Frozen):
    """Fludarabine and cyclophosphamide before the first infusion."""

    days: tuple[int, ...] = Field(min_length=1)
    fludarabine_mg_per_m2: float = Field(gt=0)
    cyclophosphamide_mg_per_m2: float = Field(gt=0)
    dose_tolerance_fraction: float = Field(ge=0, lt=1)
    earliest_days_after_reservation: Days
    window_after_days: Days

    @model_validator(mode="after")
    def _before_day_zero(self) -> Self:
        if any(day >= 0 for day in self.days) or list(self.days) != sorted(set(self.days)):
            raise ValueError(f"lymphodepletion days must be negative and ascend, got {list(self.days)}")
        return self


class Infusions(Frozen):
    """CAR-NK infusions: planned days, how late one may be, and how close to the dose it must be."""

    days: tuple[int, ...] = Field(min_length=1)
    window_after_days: Days
    dose_tolerance_fraction: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _first_is_day_zero(self) -> Self:
        if self.days[0] != 0 or list(self.days) != sorted(set(self.days)):
            raise ValueError(f"infusion days must start at 0 and ascend, got {list(self.days)}")
        return self


class CytokineSupport(Frozen):
    """A course after an infusion; none starts while CRS or ICANS is above the treatment criteria."""

    agent: str
    million_units_per_m2: float = Field(gt=0)
    maximum_administrations: int = Field(ge=1, le=30)
    after_infusions: tuple[int, ...]
    window_days: Days
    rules: CytokineRules | None = Field(default=None, description="Agents, and what holds or stops a course.")


class DltRules(Frozen):
    """The dose-limiting toxicity window: day 0 to `window_days`, both included."""

    window_days: Days
    minimum_dose_fraction: float = Field(gt=0, le=1)
    definition: DltDefinition | None = Field(
        default=None, description="Without one, the reporter judges what is a DLT."
    )


class Escalation(Frozen):
    """3+3 within each arm."""

    cohort_size: int = Field(ge=1, le=6)
    expanded_size: int = Field(ge=2, le=12)
    toxic_at_dlts: int = Field(ge=1, le=6)
    stagger_days: int = Field(ge=0, le=60)
    require_expanded_cohort_for_rp2d: bool

    @model_validator(mode="after")
    def _expansion_expands(self) -> Self:
        if self.expanded_size <= self.cohort_size:
            raise ValueError("expanded_size must be above cohort_size")
        return self


class VisitKind(StrEnum):
    """What is done at a visit after the infusions."""

    SAFETY = "safety"
    IMAGING = "imaging"
    END_OF_STUDY = "end_of_study"


class Visit(Frozen):
    """A planned visit; its task is open from `day - window_before_days` to `day + window_after_days`."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: VisitKind
    day: int = Field(ge=1)
    window_before_days: int = Field(ge=0, le=60)
    window_after_days: Days
    late_days: int = Field(
        default=0, ge=0, le=90, description="Days after the window on which it may be reported late."
    )


class TaskTimes(Frozen):
    """Who answers a kind of task, and when it is due, reminded and escalated (days after it opens)."""

    role: Role
    due_days: Days
    escalate_days: Days

    @model_validator(mode="after")
    def _escalates_after_due(self) -> Self:
        if self.escalate_days <= self.due_days:
            raise ValueError("escalate_days must be above due_days")
        return self


class SignatureRules(Frozen):
    """
    What an electronic signature may mean (21 CFR 11.50), for the SRC's decisions and for lifting a hold.

    With these rules both need one, from a person to whom the study has delegated the role.
    """

    decision_meanings: tuple[str, ...] = Field(min_length=1)
    lift_hold_meanings: tuple[str, ...] = Field(min_length=1)


TASKS_OF_SECTIONS = {
    "recist": ("baseline_imaging",),
    "reporting_clocks": ("sae_report", "susar_report"),
    "retreatment": ("retreatment",),
}
"""Tasks that a section of the protocol brings with it."""


class Protocol(Frozen):
    """One version of the protocol, whole and checked for contradictions."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+$")
    title: str
    registration: str
    panel: tuple[PanelEntry, ...] = Field(min_length=1)
    samples: Samples
    eligibility: Eligibility
    treatment_criteria: TreatmentCriteria
    assignment: Assignment
    screening_window_days: Days
    arms: tuple[Arm, ...] = Field(min_length=1)
    lymphodepletion: Lymphodepletion
    infusions: Infusions
    cytokine: CytokineSupport
    dlt: DltRules
    escalation: Escalation
    visits: tuple[Visit, ...] = Field(min_length=1)
    tasks: dict[str, TaskTimes]
    recist: RecistRules | None = None
    reporting_clocks: ReportingClocks | None = None
    stopping: StoppingRules = ()
    expansion: SimonDesign | None = Field(default=None, description="Phase 2, for each target of an arm, at the RP2D.")
    retreatment: RetreatmentRules | None = None
    signatures: SignatureRules | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        panel = [entry.antigen for entry in self.panel]
        if len(set(panel)) != len(panel):
            raise ValueError("panel: an antigen stands twice")
        for arm in self.arms:
            for antigen in {antigen for target in arm.targets for antigen in target} - set(panel):
                raise ValueError(f"arm {arm.id}: target {antigen} is not on the panel")
        if len({arm.id for arm in self.arms}) != len(self.arms):
            raise ValueError("arms: an id stands twice")
        days = [visit.day for visit in self.visits]
        if days != sorted(days) or len({visit.id for visit in self.visits}) != len(days):
            raise ValueError("visits: days must ascend and ids differ")
        if self.infusions.days[-1] > self.dlt.window_days:
            raise ValueError(
                f"infusions: day {self.infusions.days[-1]} is after the DLT window of {self.dlt.window_days} days"
            )
        safety = [visit.day for visit in self.visits if visit.kind is VisitKind.SAFETY]
        if self.dlt.window_days not in safety:
            raise ValueError(f"visits: the DLT window's last day, {self.dlt.window_days}, needs a safety visit")
        if self.visits[-1].kind is not VisitKind.END_OF_STUDY:
            raise ValueError("visits: the last must be end_of_study")
        if self.escalation.stagger_days > self.dlt.window_days:
            raise ValueError("escalation: stagger_days is longer than the DLT window")
        self._check_tasks_of_sections()
        self._check_stopping()
        return self

    def _check_stopping(self) -> None:
        # The study receives the summaries of those who have an event, not of everybody treated.
        rates = [rule.id for rule in self.stopping if rule.kind == "event_rate" and rule.scope is StoppingScope.STUDY]
        if rates:
            raise ValueError(f"stopping: {', '.join(rates)} is a rate of the treated: its scope must be arm")

    def _check_tasks_of_sections(self) -> None:
        wanted = [task for section, tasks in TASKS_OF_SECTIONS.items() if getattr(self, section) for task in tasks]
        wanted += ["dlt_adjudication", "grade_query"] if self.dlt.definition else []
        missing = [task for task in wanted if task not in self.tasks]
        if missing:
            raise ValueError(f"tasks: {', '.join(missing)} missing, though the protocol has the section that asks them")
        rules = self.cytokine.rules
        if rules is not None:
            agent = rules.agent(self.cytokine.agent)
            if agent is None or agent.maximum_administrations < self.cytokine.maximum_administrations:
                raise ValueError(
                    "cytokine: agent must be one of rules.agents, with no more administrations than it has"
                )

    def arm(self, arm_id: str) -> Arm:
        """Return the arm, or raise `KeyError` naming it."""
        for arm in self.arms:
            if arm.id == arm_id:
                return arm
        raise KeyError(arm_id)


class ProtocolReference(Frozen):
    """Which protocol a workflow runs under; the hash is over the whole file's content."""

    id: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
