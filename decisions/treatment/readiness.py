"""The re-check before lymphodepletion and before each infusion (docs/domain.md, sections 2 and 6)."""

from collections.abc import Iterator

from decisions.screening.laboratory import failed_laboratory
from schemas.commands.answers import TreatmentCheck
from schemas.dlt.outcome import DltStatus
from schemas.protocol import Lymphodepletion, Protocol, TreatmentCriteria
from schemas.state.participant import ParticipantState

CYCLE = "cycle-"
"""How the steps of a further cycle begin."""


def treatment_is_over(state: ParticipantState, step: str) -> bool:
    """
    Return whether no study treatment may follow at this step any more.

    The planned infusions end with the judgement of the DLT window, whatever its result. A further cycle comes after it,
    and ends with a dose-limiting toxicity only.
    """
    judged = state.dlt is DltStatus.DLT if step.startswith(CYCLE) else state.dlt is not None
    return state.treatment_stopped or judged


def lymphodepletion_doses(rule: Lymphodepletion) -> dict[str, str]:
    """Return the detail of the task for a day of lymphodepletion: both doses in mg/m2."""
    return {
        "fludarabine_mg_per_m2": f"{rule.fludarabine_mg_per_m2:g}",
        "cyclophosphamide_mg_per_m2": f"{rule.cyclophosphamide_mg_per_m2:g}",
    }


def failed_treatment_criteria(
    protocol: Protocol,
    check: TreatmentCheck,
    before_lymphodepletion: bool,
    *,
    liver_metastases: bool | None = None,
    gilbert_syndrome: bool | None = None,
) -> tuple[str, ...]:
    """
    Return why treatment may not start now, each reason with its value and limit; none means go.

    Laboratory values are judged before lymphodepletion only, and only if the protocol has it so. Liver metastases and
    Gilbert's syndrome come from the eligibility form and relax its limits here too; not known is not relaxed.
    """
    criteria = protocol.treatment_criteria
    failed = [*_failed_conditions(check), *_failed_limits(criteria, check)]
    if before_lymphodepletion and criteria.laboratory_before_lymphodepletion:
        rules = protocol.eligibility.laboratory
        findings = failed_laboratory(rules, check.laboratory, liver_metastases, gilbert_syndrome)
        failed += [finding.reason for finding in findings]
    return tuple(failed)


def _failed_conditions(check: TreatmentCheck) -> Iterator[str]:
    if check.uncontrolled_infection:
        yield "uncontrolled infection yes, required: no"
    if check.pregnancy_test == "positive":
        yield "pregnancy test positive, required: negative or not applicable"
    if check.active_gvhd:
        yield "active GVHD yes, required: no"


def _failed_limits(criteria: TreatmentCriteria, check: TreatmentCheck) -> Iterator[str]:
    yield from _above("ECOG", check.ecog, criteria.maximum_ecog, "")
    yield from _above("prednisone", check.prednisone_mg_per_day, criteria.maximum_prednisone_mg_per_day, " mg/day")
    yield from _above("temperature", check.temperature_celsius, criteria.maximum_temperature_celsius, " Celsius")
    yield from _above("CRS grade", check.crs_grade, criteria.maximum_crs_grade, "")
    yield from _above("ICANS grade", check.icans_grade, criteria.maximum_icans_grade, "")
    saturation, least = check.oxygen_saturation_percent, criteria.minimum_oxygen_saturation_percent
    if saturation < least:
        yield f"oxygen saturation {saturation:g}%, required: at least {least:g}%"


def _above(name: str, value: float, most: float, unit: str) -> Iterator[str]:
    if value > most:
        yield f"{name} {value:g}{unit}, required: at most {most:g}{unit}"
