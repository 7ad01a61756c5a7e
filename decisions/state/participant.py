"""A participant's state as a fold over facts: the workflow, the read model and the auditor share it."""

from collections.abc import Iterable
from datetime import date
from typing import Any, assert_never

from decisions.safety.amendments import upgraded
from schemas import facts as f
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
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition
from schemas.response.tumour import TimepointResponse
from schemas.safety.reports import ReportKind, ReportRow
from schemas.schedule.task import Task, TaskEnd
from schemas.screening.eligibility import EligibilityForm
from schemas.state.participant import Assignment, ParticipantState, Stage
from schemas.treatment.support import ToxicityCheck

DISPOSITIONS = {
    EndReason.WITHDRAWAL: Disposition.WITHDRAWN,
    EndReason.DEATH: Disposition.DIED,
    EndReason.LOST_TO_FOLLOW_UP: Disposition.LOST_TO_FOLLOW_UP,
    EndReason.INVESTIGATOR: Disposition.DISCONTINUED,
}
"""The named final state of each early end."""


def enrol(fact: f.ParticipantEnrolled) -> ParticipantState:
    """Begin a participant's state with the first fact."""
    return ParticipantState(
        study=fact.study,
        subject=fact.subject,
        site=fact.site,
        protocol=fact.protocol,
        consent_signed_on=fact.consent_signed_on,
        age_years=fact.age_years,
        latest_on=fact.consent_signed_on,
    )


def fold(facts: Iterable[f.ParticipantFact]) -> ParticipantState:
    """Fold a whole history of facts; raise `ValueError` when it does not begin with an enrolment."""
    first, *rest = facts
    if not isinstance(first, f.ParticipantEnrolled):
        msg = f"a participant's facts begin with participant_enrolled, not {first.kind}"
        raise ValueError(msg)  # noqa: TRY004 - the history is wrong, not the type
    state = enrol(first)
    for fact in rest:
        state = apply(state, fact)
    return state


def apply(state: ParticipantState, fact: f.ParticipantFact) -> ParticipantState:
    """Return the state after one more fact."""
    changes = _changes(state, fact)
    return state.model_copy(update=changes) if changes else state


def _changes(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:
    match fact:
        case f.TaskOpened():
            return {"tasks": state.tasks | {fact.task.id: fact.task}, "tasks_opened": state.tasks_opened + 1}
        case f.TaskReminded():
            return {"tasks": _mark(state.tasks, fact.task_id, reminded=True)}
        case f.TaskEscalated():
            return {"tasks": _mark(state.tasks, fact.task_id, reminded=True, escalated=True)}
        case f.TaskClosed():
            return _close(state, fact.task_id, fact.end)
        case f.TaskAnswered():
            step = state.tasks[fact.task_id].step
            changes = _close(state, fact.task_id, TaskEnd.ANSWERED) | _answered(state, step, fact.answer)
            is_infusion = isinstance(fact.answer, InfusionGiven)
            return changes | ({"infused_by": (*state.infused_by, fact.who)} if is_infusion else {})
        case _:
            return _decided(state, fact)


def _decided(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one line a fact
    match fact:
        case f.AntigensProfiled():
            return {"profile": fact.profile}
        case f.EligibilityJudged():
            return {"eligibility": fact.verdict}
        case f.Assigned():
            chosen = Assignment(arm=fact.arm, arm_kind=fact.arm_kind, target=fact.target)
            return {"assignment": chosen, "stage": Stage.WAITING_FOR_SLOT}
        case f.ArmRefused():
            return {"refused_arms": (*state.refused_arms, fact.arm), "assignment": None, "stage": Stage.SCREENING}
        case f.SlotGranted():
            return {"slot": fact.slot, "stage": Stage.WAITING_FOR_PRODUCT}
        case f.SlotReturned():
            return {"slot": None, "stage": Stage.WAITING_FOR_PRODUCT}
        case f.ProductReserved():
            return {"units": fact.units, "stage": Stage.LYMPHODEPLETION}
        case f.ProductReturned():
            return {"units": tuple(unit for unit in state.units if unit not in fact.units)}
        case f.DayZeroPlanned():
            return {"day_zero": fact.day_zero}
        case f.TreatmentChecked():
            return {"last_check_go": fact.go}
        case f.StepSkipped():
            return {"skipped": (*state.skipped, fact.step)}
        case f.TreatmentStopped():
            return {"treatment_stopped": True}
        case f.DltJudged():
            stage = state.stage if state.disposition else Stage.FOLLOW_UP
            return {"dlt": fact.status, "dlt_reason": fact.why, "stage": stage}
        case _:
            return _interrupted(state, fact)


def _interrupted(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:  # noqa: PLR0911 - one line a fact
    match fact:
        case f.HoldPlaced():
            return {"holds": tuple(sorted({*state.holds, fact.scope}))}
        case f.HoldLifted():
            return {"holds": tuple(scope for scope in state.holds if scope != fact.scope)}
        case f.Refused():
            return {"refusals": state.refusals + 1}
        case f.EndRequested():
            return {"end": fact.reason, "end_on": fact.occurred_on}
        case f.ParticipationEnded():
            return {"disposition": fact.disposition, "disposition_reason": fact.why, "stage": Stage.ENDED}
        case f.ParticipantEnrolled() | f.ProductAwaited():
            return {}
        case _:
            return _observed(state, fact)


def _observed(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:  # noqa: C901, PLR0911 - one line a fact
    match fact:
        case f.AdverseEventReported():
            return _reported(state, fact)
        case f.AdverseEventAmended():
            return _amended(state, fact)
        case f.DltFindingMade():
            return {"dlt_findings": state.dlt_findings | {fact.event_id: fact.finding}}
        case f.ReportingClockStarted():
            key = report_key(fact.event_id, fact.due.kind)
            return {"reports": state.reports | {key: ReportRow(due=fact.due)}}
        case f.ReportingClockStopped():
            stopped = report_key(fact.event_id, fact.report)
            return {"reports": {key: row for key, row in state.reports.items() if key != stopped}}
        case f.ResponseAssessed():
            return {"timepoints": _judged_anew(state, fact.timepoint), "best_response": fact.best}
        case f.DeviationRecorded():
            return {"deviations": (*state.deviations, fact.deviation)}
        case f.CytokineJudged():
            return {"cytokine": fact.verdict, "cytokine_verdicts": (*state.cytokine_verdicts, fact.verdict)}
        case f.RetreatmentJudged():
            # A new judgement after an acceptance says that the cycle did not begin: it is to be accepted anew.
            lapsed = {"retreatment_accepted": None} if state.retreatment_accepted else {}
            return {"retreatment": fact.verdict} | lapsed
        case f.CycleStarted():
            return {
                "cycles": fact.cycle,
                "cycle_day_zero": fact.day_zero,
                "cycle_lymphodepletion": fact.lymphodepletion,
                "cycle_depleted_on": None,
                "stage": Stage.TREATMENT,
                "retreatment": None,
                "retreatment_accepted": None,
            }
        case _:
            raise ValueError(f"not a participant's fact: {fact.kind}")


def event_id(number: int) -> str:
    """Return the id of a participant's adverse event by its number, counted from 1: 'AE-001'."""
    return f"AE-{number:03d}"


def event_index(state: ParticipantState, wanted: str) -> int | None:
    """Return where the event with this id stands among the participant's events, if there is one."""
    number = int(wanted.removeprefix("AE-"))
    return number - 1 if 1 <= number <= len(state.adverse_events) else None


def report_key(wanted: str, kind: ReportKind) -> str:
    """Return the key of an event's report in the state; it is the step of the report's task, too."""
    return f"{kind.value}-{wanted}"


def _reported(state: ParticipantState, fact: f.AdverseEventReported) -> dict[str, Any]:
    added: dict[str, Any] = {"adverse_events": (*state.adverse_events, fact.event)}
    if fact.computed is not None:
        number = event_id(len(state.adverse_events) + 1)
        added["computed_grades"] = state.computed_grades | {number: fact.computed}
    return added


def _amended(state: ParticipantState, fact: f.AdverseEventAmended) -> dict[str, Any]:
    index = event_index(state, fact.event_id)
    if index is None:
        raise ValueError(f"{fact.event_id} was amended and never reported")
    before, events = state.adverse_events[index], list(state.adverse_events)
    events[index] = fact.event
    grades = {key: grade for key, grade in state.computed_grades.items() if key != fact.event_id}
    changed: dict[str, Any] = {
        "adverse_events": tuple(events),
        "event_versions": state.event_versions | {fact.event_id: fact.version},
        "computed_grades": grades if fact.computed is None else grades | {fact.event_id: fact.computed},
    }
    if fact.event_id in state.adjudications and upgraded(before, fact.event):
        # It was judged as something else: the question is asked again, and the earlier answer stays on record.
        kept = {key: judged for key, judged in state.adjudications.items() if key != fact.event_id}
        changed["adjudications"] = kept
    return changed


def _mark(tasks: dict[str, Task], task_id: str, **marks: bool) -> dict[str, Task]:
    return tasks | {task_id: tasks[task_id].model_copy(update=marks)}


def _close(state: ParticipantState, task_id: str, end: TaskEnd) -> dict[str, Any]:
    return {
        "tasks": {key: task for key, task in state.tasks.items() if key != task_id},
        "closed": state.closed | {task_id: end},
    }


def _answered(state: ParticipantState, step: str, answer: Answer) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one case an answer
    latest = {"latest_on": max(state.latest_on, answer.happened_on)}
    match answer:
        case BiopsyDone():
            return latest | {"biopsies": state.biopsies + 1}
        case PanelReported():
            return latest | {"panel": answer}
        case EligibilityForm():
            return latest | {"eligibility_form": answer}
        case LymphodepletionGiven():
            given = {"lymphodepletion_on": (*state.lymphodepletion_on, answer.given_at.date())}
            return latest | given | _cycle_moved(step, answer.given_at.date())
        case InfusionGiven():
            return (
                latest
                | _cycle_moved(step, answer.started_at.date())
                | {
                    "infusions": (*state.infusions, answer),
                    "infusion_steps": (*state.infusion_steps, step),
                    "units": tuple(unit for unit in state.units if unit != answer.unit_id),
                    "stage": Stage.TREATMENT,
                }
            )
        case SafetyVisit():
            return latest | {"last_safety_visit_on": answer.visited_on} | _toxicity(answer.visited_on, answer)
        case TreatmentCheck():
            return latest | _toxicity(answer.checked_on, answer)
        case ImagingDone():
            return latest | _imaged(state, step, answer)
        case BaselineImaging():
            return latest | {"baseline": answer.baseline}
        case DltAdjudication():
            return {"adjudications": state.adjudications | {answer.event_id: answer}}
        case SaeReported() | SusarReported():
            row = state.reports.get(step)
            told = {} if row is None else {step: row.model_copy(update={"reported_at": answer.reported_at})}
            return {"reports": state.reports | told}
        case RetreatmentDecided():
            return latest | {"retreatment_accepted": answer.accepted}
        case CytokineCourse() | StudyEnded() | GradeQueryAnswered():
            return latest
        case _:
            assert_never(answer)


def _cycle_moved(step: str, day: date) -> dict[str, Any]:
    """Let the first day of a further cycle's lymphodepletion, and its first infusion, count as given."""
    if not step.startswith("cycle-"):
        return {}
    if step.endswith("-lymphodepletion-1"):
        return {"cycle_depleted_on": day}
    return {"cycle_day_zero": day} if step.endswith("-infusion-1") else {}


def _judged_anew(state: ParticipantState, timepoint: TimepointResponse) -> tuple[TimepointResponse, ...]:
    """Put a timepoint in its place by date: what a later assessment makes clear may change an earlier one."""
    others = (point for point in state.timepoints if point.assessed_on != timepoint.assessed_on)
    return tuple(sorted((*others, timepoint), key=lambda point: point.assessed_on))


def _toxicity(day: date, answer: TreatmentCheck | SafetyVisit) -> dict[str, Any]:
    check = ToxicityCheck(checked_on=day, crs_grade=answer.crs_grade, icans_grade=answer.icans_grade)
    return {"last_toxicity_check": check}


def _imaged(state: ParticipantState, step: str, answer: ImagingDone) -> dict[str, Any]:
    told: dict[str, Any] = {"imaging_on": state.imaging_on | {step: answer.scanned_on}}
    if state.cycles:
        # A further cycle runs between two visits: the next one is follow-up again.
        told["stage"] = Stage.FOLLOW_UP
    if answer.response is not None:
        told["responses"] = (*state.responses, (step, answer.response))
    if answer.assessment is not None:
        told["assessments"] = (*state.assessments, answer.assessment)
    return told
