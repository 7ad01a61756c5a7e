"""Small makers of the values that the rules judge; each test changes only what it is about."""

from collections.abc import Mapping
from datetime import date

from protocols.loader import default_protocol_path, load_protocol
from schemas.commands.answers import PanelReported, TreatmentCheck
from schemas.product.bank import QualityStatus, Unit
from schemas.screening.eligibility import CnsDisease, EligibilityForm, Laboratory, PriorTreatment
from schemas.screening.panel import (
    Antigen,
    AntigenProfile,
    AntigenResult,
    AntigenVerdict,
    ProfileOutcome,
    SampleResult,
    SampleType,
)

PROTOCOL = load_protocol(default_protocol_path()).protocol
REPORTED_ON = date(2026, 3, 1)

GOOD_LABORATORY = {
    "neutrophils": Laboratory(value=3.2, unit="1e9/L"),
    "platelets": Laboratory(value=210, unit="1e9/L"),
    "haemoglobin": Laboratory(value=118, unit="g/L"),
    "creatinine_clearance": Laboratory(value=84, unit="mL/min"),
    "bilirubin": Laboratory(value=0.6, unit="xULN"),
    "alt": Laboratory(value=0.9, unit="xULN"),
    "ast": Laboratory(value=0.8, unit="xULN"),
}

GOOD_FORM: dict[str, object] = {
    "assessed_on": date(2026, 3, 2),
    "histology_confirmed": True,
    "prior_treatment": PriorTreatment.REFRACTORY,
    "measurable_lesions": 2,
    "ecog": 1,
    "laboratory": GOOD_LABORATORY,
    "liver_metastases": False,
    "gilbert_syndrome": False,
    "can_receive_lymphodepletion": True,
    "can_receive_infusion": True,
    "childbearing_potential": False,
    "pregnancy_test": "not_applicable",
    "contraception_agreed": True,
    "samples_agreed": True,
    "uncontrolled_infection": False,
    "uncontrolled_hiv": False,
    "active_hepatitis_b": False,
    "active_hepatitis_c": False,
    "significant_cardiovascular_disease": False,
    "cns_disease": CnsDisease.NONE,
    "prednisone_mg_per_day": 0.0,
    "no_gene_modified_therapy": True,
    "confounding_prior_therapy": False,
    "no_allogeneic_transplant": True,
    "active_gvhd": False,
    "breastfeeding": False,
    "interfering_condition": False,
}


def make_form(**changes: object) -> EligibilityForm:
    """Make a form that passes all criteria but for the changes; none leaves a field out."""
    return EligibilityForm.model_validate(GOOD_FORM | changes)


def make_laboratory(**values: float | None) -> dict[str, Laboratory]:
    """Make good laboratory values with some changed, in the protocol's units; none leaves one out."""
    changed = {
        analyte: Laboratory(value=value, unit=GOOD_LABORATORY[analyte].unit)
        for analyte, value in values.items()
        if value is not None
    }
    return {
        analyte: given for analyte, given in (GOOD_LABORATORY | changed).items() if values.get(analyte, 0) is not None
    }


def make_profile(ratios: Mapping[Antigen, float]) -> AntigenProfile:
    """Make a complete profile; antigens with a ratio of 1 or more are positive, the others of the panel are not."""
    verdicts = tuple(
        AntigenVerdict(
            antigen=entry.antigen,
            positive=ratios.get(entry.antigen, 0) >= 1,
            ratio=ratios.get(entry.antigen, 0),
            sample=SampleType.TISSUE,
            reason="made for a test",
        )
        for entry in PROTOCOL.panel
    )
    return AntigenProfile(outcome=ProfileOutcome.COMPLETE, verdicts=verdicts, reason="made for a test")


def make_cells(antigen: Antigen, zero: float, one: float, two: float, three: float) -> AntigenResult:
    """Make a result of a cell-based assay: percent of cells at 0, 1+, 2+, 3+."""
    return AntigenResult(antigen=antigen, percent_by_intensity=(zero, one, two, three))


def make_sample(
    *antigens: AntigenResult, sample: SampleType = SampleType.TISSUE, collected_on: date = date(2026, 2, 20)
) -> SampleResult:
    """Make a sample; one without antigen results is inadequate."""
    return SampleResult(sample=sample, collected_on=collected_on, adequate=bool(antigens), antigens=antigens)


def make_report(*samples: SampleResult) -> PanelReported:
    """Make the laboratory's report of 2026-03-01."""
    return PanelReported(reported_on=REPORTED_ON, samples=samples)


def make_check(**changes: object) -> TreatmentCheck:
    """Make a check that passes all treatment criteria but for the changes."""
    good: dict[str, object] = {
        "checked_on": date(2026, 3, 10),
        "ecog": 1,
        "uncontrolled_infection": False,
        "pregnancy_test": "negative",
        "prednisone_mg_per_day": 0.0,
        "temperature_celsius": 36.8,
        "oxygen_saturation_percent": 97.0,
        "laboratory": GOOD_LABORATORY,
    }
    return TreatmentCheck.model_validate(good | changes)


def make_unit(unit_id: str = "U-001", **changes: object) -> Unit:
    """Make a released mesothelin + TROP2 unit of 300 million cells that expires at the end of 2027."""
    good: dict[str, object] = {
        "unit_id": unit_id,
        "lot": "LOT-1",
        "donor": "DONOR-1",
        "antigens": (Antigen.MESOTHELIN, Antigen.TROP2),
        "million_cells": 300.0,
        "quality": QualityStatus.RELEASED,
        "expires_on": date(2027, 12, 31),
    }
    return Unit.model_validate(good | changes)
