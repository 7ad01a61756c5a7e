"""What an answer to a task changes in a participant's state."""

from datetime import date
from typing import Any, assert_never

from schemas.commands.answers import (
    Answer,
    BaselineImaging,
    BiopsyDone,
    CytokineCourse,
    DltAdjudication,
    GradeQueryAnswered,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    PanelReported,
    RetreatmentDecided,
    SaeReported,
    SafetyVisit,
    StudyEnded,
    SusarReported,
    TreatmentCheck,
)
from schemas.screening.eligibility import EligibilityForm
from schemas.state.participant import ParticipantState, Stage
from schemas.treatment.support import ToxicityCheck

ScreeningAnswer = BiopsyDone | PanelReported | EligibilityForm | BaselineImaging
TreatmentAnswer = TreatmentCheck | LymphodepletionGiven | InfusionGiven | CytokineCourse | RetreatmentDecided
VisitAnswer = SafetyVisit | ImagingDone | StudyEnded | GradeQueryAnswered
ReportAnswer = DltAdjudication | SaeReported | SusarReported


def answer_changes(state: ParticipantState, step: str, answer: Answer) -> dict[str, Any]:
    """Return the fields that change with the answer to the task of a step, but for the tasks themselves."""
    match answer:
        case BiopsyDone() | PanelReported() | EligibilityForm() | BaselineImaging():
            changes = _screening_changes(state, answer)
        case TreatmentCheck() | LymphodepletionGiven() | InfusionGiven() | CytokineCourse() | RetreatmentDecided():
            changes = _treatment_changes(state, step, answer)
        case SafetyVisit() | ImagingDone() | StudyEnded() | GradeQueryAnswered():
            changes = _visit_changes(state, step, answer)
        case DltAdjudication() | SaeReported() | SusarReported():
            # A judgement or a report on an event is no observation of the participant: the latest day stays.
            return _report_changes(state, step, answer)
        case _:
            assert_never(answer)
    return changes | {"latest_on": max(state.latest_on, answer.happened_on)}


def _screening_changes(state: ParticipantState, answer: ScreeningAnswer) -> dict[str, Any]:
    match answer:
        case BiopsyDone():
            return {"biopsies": state.biopsies + 1}
        case PanelReported():
            return {"panel": answer}
        case EligibilityForm():
            return {"eligibility_form": answer}
        case BaselineImaging():
            return {"baseline": answer.baseline}
        case _:
            assert_never(answer)


def _treatment_changes(state: ParticipantState, step: str, answer: TreatmentAnswer) -> dict[str, Any]:
    match answer:
        case TreatmentCheck():
            return _toxicity(answer.checked_on, answer)
        case LymphodepletionGiven():
            day = answer.happened_on
            return {"lymphodepletion_on": (*state.lymphodepletion_on, day)} | _cycle_days(step, day)
        case InfusionGiven():
            return _infused(state, step, answer) | _cycle_days(step, answer.happened_on)
        case RetreatmentDecided():
            return {"retreatment_accepted": answer.accepted}
        case CytokineCourse():
            return {}
        case _:
            assert_never(answer)


def _infused(state: ParticipantState, step: str, infusion: InfusionGiven) -> dict[str, Any]:
    return {
        "infusions": (*state.infusions, infusion),
        "infusion_steps": (*state.infusion_steps, step),
        "units": tuple(unit for unit in state.units if unit != infusion.unit_id),
        "stage": Stage.TREATMENT,
    }


def _cycle_days(step: str, day: date) -> dict[str, Any]:
    """Return the first day of a further cycle's lymphodepletion, or the day of its first infusion, as given."""
    if not step.startswith("cycle-"):
        return {}
    if step.endswith("-lymphodepletion-1"):
        return {"cycle_depleted_on": day}
    return {"cycle_day_zero": day} if step.endswith("-infusion-1") else {}


def _visit_changes(state: ParticipantState, step: str, answer: VisitAnswer) -> dict[str, Any]:
    match answer:
        case SafetyVisit():
            return {"last_safety_visit_on": answer.visited_on} | _toxicity(answer.visited_on, answer)
        case ImagingDone():
            return _imaged(state, step, answer)
        case StudyEnded() | GradeQueryAnswered():
            return {}
        case _:
            assert_never(answer)


def _toxicity(day: date, answer: TreatmentCheck | SafetyVisit) -> dict[str, Any]:
    check = ToxicityCheck(checked_on=day, crs_grade=answer.crs_grade, icans_grade=answer.icans_grade)
    return {"last_toxicity_check": check}


def _imaged(state: ParticipantState, step: str, answer: ImagingDone) -> dict[str, Any]:
    changes: dict[str, Any] = {"imaging_on": state.imaging_on | {step: answer.scanned_on}}
    if state.cycles:
        # A further cycle runs between two visits: the next one is follow-up again.
        changes["stage"] = Stage.FOLLOW_UP
    if answer.response is not None:
        changes["responses"] = (*state.responses, (step, answer.response))
    if answer.assessment is not None:
        changes["assessments"] = (*state.assessments, answer.assessment)
    return changes


def _report_changes(state: ParticipantState, step: str, answer: ReportAnswer) -> dict[str, Any]:
    match answer:
        case DltAdjudication():
            return {"adjudications": state.adjudications | {answer.event_id: answer}}
        case SaeReported() | SusarReported():
            # A report that is no longer due may still be made: its task closes, and no row is added.
            row = state.reports.get(step)
            made = {} if row is None else {step: row.model_copy(update={"reported_at": answer.reported_at})}
            return {"reports": state.reports | made}
        case _:
            assert_never(answer)
