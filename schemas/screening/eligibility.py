"""What a site reports for the 9 inclusion and 9 exclusion criteria (NCT07510828, Eligibility), and the verdicts."""

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Frozen


class Laboratory(Frozen):
    """One laboratory value in the unit that the protocol asks for."""

    value: float
    unit: str


class PriorTreatment(StrEnum):
    """The disease's course under standard therapy (inclusion criterion 2)."""

    REFRACTORY = "refractory"
    RELAPSED = "relapsed"
    INTOLERANT = "intolerant"
    NO_STANDARD = "no_standard_therapy"
    STANDARD_AVAILABLE = "standard_therapy_available"


class CnsDisease(StrEnum):
    """Central nervous system metastases (exclusion criterion 4)."""

    NONE = "none"
    STABLE_TREATED = "stable_treated"
    SYMPTOMATIC = "symptomatic"
    ESCALATING_STEROIDS = "escalating_steroids"


PregnancyTest = Literal["negative", "positive", "not_applicable"]


class EligibilityForm(Frozen):
    """Every value that the 18 criteria judge. What is left out is judged 'missing'."""

    kind: Literal["eligibility"] = "eligibility"
    assessed_on: date
    histology_confirmed: bool | None = None
    prior_treatment: PriorTreatment | None = None
    measurable_lesions: int | None = Field(default=None, ge=0, le=50, description="Per RECIST 1.1.")
    ecog: int | None = Field(default=None, ge=0, le=5, description="ECOG performance status 0-5.")
    laboratory: dict[str, Laboratory] = Field(default_factory=dict, description="By analyte, in the protocol's units.")
    liver_metastases: bool | None = None
    gilbert_syndrome: bool | None = None
    can_receive_lymphodepletion: bool | None = None
    can_receive_infusion: bool | None = None
    childbearing_potential: bool | None = None
    pregnancy_test: PregnancyTest | None = None
    contraception_agreed: bool | None = None
    samples_agreed: bool | None = None
    uncontrolled_infection: bool | None = None
    uncontrolled_hiv: bool | None = None
    active_hepatitis_b: bool | None = None
    active_hepatitis_c: bool | None = None
    significant_cardiovascular_disease: bool | None = None
    cns_disease: CnsDisease | None = None
    prednisone_mg_per_day: float | None = Field(default=None, ge=0, le=2000, description="Prednisone equivalent.")
    months_since_gene_modified_therapy: float | None = Field(default=None, ge=0, le=1200)
    no_gene_modified_therapy: bool | None = None
    confounding_prior_therapy: bool | None = None
    months_since_allogeneic_transplant: float | None = Field(default=None, ge=0, le=1200)
    no_allogeneic_transplant: bool | None = None
    active_gvhd: bool | None = None
    breastfeeding: bool | None = None
    interfering_condition: bool | None = None

    @property
    def happened_on(self) -> date:
        """The day of the assessment."""
        return self.assessed_on


class Verdict(StrEnum):
    """A criterion's verdict; for an exclusion criterion `met` means that it excludes."""

    MET = "met"
    NOT_MET = "not_met"
    MISSING = "missing"


class CriterionVerdict(Frozen):
    """One criterion, judged."""

    criterion: str = Field(pattern=r"^[IE][1-9]$", description="I1-I9 inclusion, E1-E9 exclusion, the record's order.")
    verdict: Verdict
    value: str
    reason: str


class EligibilityVerdict(Frozen):
    """All 18 verdicts and what follows from them together."""

    outcome: Literal["eligible", "ineligible", "missing_data"]
    criteria: tuple[CriterionVerdict, ...]

    def reasons(self) -> tuple[str, ...]:
        """Why it is not 'eligible': the failing criteria, or else those with missing data."""
        return tuple(f"{c.criterion}: {c.reason}" for c in self.criteria if not _passes(c))


def _passes(judged: CriterionVerdict) -> bool:
    wanted = Verdict.MET if judged.criterion.startswith("I") else Verdict.NOT_MET
    return judged.verdict is wanted
