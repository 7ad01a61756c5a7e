"""What a virtual site answers to each kind of task, within the rules unless the participant's story says otherwise."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, assert_never

from schemas.commands import answers as a
from schemas.protocol import LaboratoryRule, Protocol, VisitKind
from schemas.response.tumour import BaselineAssessment, Method, Organ, TargetLesion, TargetMeasurement, TumourAssessment
from schemas.schedule.task import TaskKind
from schemas.screening.eligibility import CnsDisease, EligibilityForm, Laboratory, PriorTreatment
from schemas.screening.panel import Antigen, AntigenResult, SampleResult, SampleType
from simulation.people import VirtualParticipant

RESPONSES = ("SD", "PR", "SD", "SD", "NE")
LESIONS = (
    TargetLesion(id="T01", organ=Organ.LIVER, diameter_mm=Decimal("42.0"), method=Method.CT),
    TargetLesion(id="T02", organ=Organ.LUNG, diameter_mm=Decimal("25.0"), method=Method.CT),
)
"""What every virtual participant has at baseline."""


def answer_for(  # noqa: C901, PLR0911, PLR0912 - one case a kind of task
    protocol: Protocol, person: VirtualParticipant, task: Mapping[str, Any], now: datetime
) -> a.Answer:
    """Return the answer to a worklist row at the participant's present time."""
    kind, today = TaskKind(task["kind"]), now.date()
    match kind:
        case TaskKind.BIOPSY:
            return a.BiopsyDone(collected_on=today, sample=SampleType.TISSUE)
        case TaskKind.ANTIGEN_PANEL:
            return _panel(protocol, person, str(task["step"]), now)
        case TaskKind.ELIGIBILITY:
            return eligibility_form(protocol, now, dict(person.form_changes))
        case TaskKind.TREATMENT_CHECK:
            return treatment_check(protocol, now)
        case TaskKind.LYMPHODEPLETION:
            dose = protocol.lymphodepletion
            return a.LymphodepletionGiven(
                given_at=now,
                fludarabine_mg_per_m2=dose.fludarabine_mg_per_m2,
                cyclophosphamide_mg_per_m2=dose.cyclophosphamide_mg_per_m2,
            )
        case TaskKind.INFUSION:
            cells = float(task["detail"]["million_cells"]) * person.weight
            return a.InfusionGiven(started_at=now, unit_id=task["detail"]["unit"], million_cells=round(cells, 1))
        case TaskKind.CYTOKINE_COURSE:
            return a.CytokineCourse(
                administered_on=(today,), million_units_per_m2=protocol.cytokine.million_units_per_m2
            )
        case TaskKind.SAFETY:
            return a.SafetyVisit(visited_on=today)
        case TaskKind.IMAGING:
            return _imaging(protocol, person, str(task["step"]), today)
        case TaskKind.BASELINE_IMAGING:
            return a.BaselineImaging(baseline=BaselineAssessment(assessed_on=today, targets=LESIONS))
        case TaskKind.RETREATMENT:
            why = "the participant prefers observation"
            return a.RetreatmentDecided(decided_on=today, accepted=False, rationale=why)
        case TaskKind.DLT_ADJUDICATION | TaskKind.GRADE_QUERY | TaskKind.SAE_REPORT | TaskKind.SUSAR_REPORT:
            return _of_an_event(kind, task["detail"], now)
        case TaskKind.END_OF_STUDY:
            return a.StudyEnded(visited_on=today, alive=True)
        case TaskKind.COMMITTEE_DECISION:
            raise ValueError("a committee's decision is not a site's to answer")
        case _:
            assert_never(kind)


def _of_an_event(kind: TaskKind, detail: Mapping[str, str], now: datetime) -> a.Answer:
    event_id = detail["event_id"]
    match kind:
        case TaskKind.DLT_ADJUDICATION:
            return a.DltAdjudication(event_id=event_id, dose_limiting=True, adjudicated_on=now.date())
        case TaskKind.GRADE_QUERY:
            why = "the reported grade stands: the investigator has seen the participant"
            grade = int(detail["grade"])
            return a.GradeQueryAnswered(event_id=event_id, grade=grade, answered_on=now.date(), explanation=why)
        case TaskKind.SAE_REPORT:
            return a.SaeReported(event_id=event_id, reported_at=now, reference=f"{detail['report']}-{event_id}")
        case _:
            return a.SusarReported(event_id=event_id, reported_at=now, reference=f"{detail['report']}-{event_id}")


def _imaging(protocol: Protocol, person: VirtualParticipant, step: str, today: date) -> a.ImagingDone:
    if not person.tumour_course or protocol.recist is None:
        response = RESPONSES[len(person.subject + step) % len(RESPONSES)]
        return a.ImagingDone.model_validate({"scanned_on": today, "response": response})
    visits = [visit.id for visit in protocol.visits if visit.kind is VisitKind.IMAGING]
    fraction = person.tumour_course[min(visits.index(step), len(person.tumour_course) - 1)]
    return a.ImagingDone(scanned_on=today, assessment=tumour_assessment(today, fraction))


def tumour_assessment(today: date, fraction: float) -> TumourAssessment:
    """Return an assessment at which every lesion has this fraction of its size at baseline."""
    measured = tuple(
        TargetMeasurement(
            lesion=lesion.id,
            organ=lesion.organ,
            diameters_mm=((lesion.diameter_mm * Decimal(str(fraction))).quantize(Decimal("0.1")),),
        )
        for lesion in LESIONS
    )
    return TumourAssessment(assessed_on=today, targets=measured)


def _panel(protocol: Protocol, person: VirtualParticipant, step: str, now: datetime) -> a.PanelReported:
    today = now.date()
    if not person.first_biopsy_adequate and step == "antigen-panel-1":
        empty = SampleResult(sample=SampleType.TISSUE, collected_on=today, adequate=False)
        return a.PanelReported(reported_on=today, samples=(empty,))
    results = tuple(_stained(entry.antigen, positive=entry.antigen in person.antigens) for entry in protocol.panel)
    sample = SampleResult(sample=SampleType.TISSUE, collected_on=today, adequate=True, antigens=results)
    return a.PanelReported(reported_on=today, samples=(sample,))


def _stained(antigen: Antigen, *, positive: bool) -> AntigenResult:
    cells = (5.0, 5.0, 30.0, 60.0) if positive else (90.0, 10.0, 0.0, 0.0)
    return AntigenResult(antigen=antigen, percent_by_intensity=cells)


def eligibility_form(protocol: Protocol, now: datetime, changes: dict[str, Any]) -> EligibilityForm:
    """Return a form that meets every criterion, but for the changes."""
    complete: dict[str, Any] = {
        "assessed_on": now.date(),
        "histology_confirmed": True,
        "prior_treatment": PriorTreatment.REFRACTORY,
        "measurable_lesions": 2,
        "ecog": protocol.eligibility.maximum_ecog,
        "laboratory": laboratory(protocol),
        "liver_metastases": False,
        "gilbert_syndrome": False,
        "can_receive_lymphodepletion": True,
        "can_receive_infusion": True,
        "childbearing_potential": False,
        "pregnancy_test": "not_applicable",
        "contraception_agreed": True,
        "samples_agreed": True,
        "cns_disease": CnsDisease.NONE,
        "prednisone_mg_per_day": 0.0,
        "no_gene_modified_therapy": True,
        "no_allogeneic_transplant": True,
    }
    absent = (
        "uncontrolled_infection",
        "uncontrolled_hiv",
        "active_hepatitis_b",
        "active_hepatitis_c",
        "significant_cardiovascular_disease",
        "confounding_prior_therapy",
        "active_gvhd",
        "breastfeeding",
        "interfering_condition",
    )
    return EligibilityForm.model_validate(complete | dict.fromkeys(absent, False) | changes)


def treatment_check(protocol: Protocol, now: datetime) -> a.TreatmentCheck:
    """Return a check that meets every treatment criterion."""
    return a.TreatmentCheck(
        checked_on=now.date(),
        ecog=protocol.treatment_criteria.maximum_ecog,
        uncontrolled_infection=False,
        pregnancy_test="not_applicable",
        prednisone_mg_per_day=0,
        temperature_celsius=36.6,
        oxygen_saturation_percent=98,
        laboratory=laboratory(protocol),
    )


def laboratory(protocol: Protocol) -> dict[str, Laboratory]:
    """Return a value well inside each cut-off, in its unit."""
    return {rule.analyte: Laboratory(value=_inside(rule), unit=rule.unit) for rule in protocol.eligibility.laboratory}


def _inside(rule: LaboratoryRule) -> float:
    if rule.minimum is not None:
        return min(rule.minimum * 1.5, rule.plausible_high)
    return (rule.maximum or 0) * 0.5
