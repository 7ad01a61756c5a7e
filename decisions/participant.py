"""A participant's state as a fold over facts: the workflow, the read model and the auditor share it."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, assert_never

from schemas import facts as f
from schemas.answers import (
    Answer,
    BiopsyDone,
    CytokineCourse,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    PanelReported,
    SafetyVisit,
    StudyEnded,
    TreatmentCheck,
)
from schemas.eligibility import EligibilityForm
from schemas.states import Assignment, ParticipantState, Stage
from schemas.task import Task, TaskEnd


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
            return _close(state, fact.task_id, TaskEnd.ANSWERED) | _answered(state, step, fact.answer)
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
            return {"dlt": fact.status, "stage": state.stage if state.disposition else Stage.FOLLOW_UP}
        case _:
            return _interrupted(state, fact)


def _interrupted(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:  # noqa: PLR0911 - one line a fact
    match fact:
        case f.AdverseEventReported():
            return {"adverse_events": (*state.adverse_events, fact.event)}
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
            raise ValueError(f"not a participant's fact: {fact.kind}")


def _mark(tasks: dict[str, Task], task_id: str, **marks: bool) -> dict[str, Task]:
    return tasks | {task_id: tasks[task_id].model_copy(update=marks)}


def _close(state: ParticipantState, task_id: str, end: TaskEnd) -> dict[str, Any]:
    return {
        "tasks": {key: task for key, task in state.tasks.items() if key != task_id},
        "closed": state.closed | {task_id: end},
    }


def _answered(state: ParticipantState, step: str, answer: Answer) -> dict[str, Any]:  # noqa: PLR0911 - one case an answer
    latest = {"latest_on": max(state.latest_on, answered_on(answer))}
    match answer:
        case BiopsyDone():
            return latest | {"biopsies": state.biopsies + 1}
        case PanelReported():
            return latest | {"panel": answer}
        case EligibilityForm():
            return latest | {"eligibility_form": answer}
        case LymphodepletionGiven():
            return latest | {"lymphodepletion_on": (*state.lymphodepletion_on, answer.given_at.date())}
        case InfusionGiven():
            return latest | {
                "infusions": (*state.infusions, answer),
                "infusion_steps": (*state.infusion_steps, step),
                "units": tuple(unit for unit in state.units if unit != answer.unit_id),
                "stage": Stage.TREATMENT,
            }
        case SafetyVisit():
            return latest | {"last_safety_visit_on": answer.visited_on}
        case ImagingDone():
            return latest | {"responses": (*state.responses, (step, answer.response))}
        case TreatmentCheck() | CytokineCourse() | StudyEnded():
            return latest
        case _:
            assert_never(answer)


def answered_on(answer: Answer) -> date:  # noqa: PLR0911 - one case an answer
    """Return the day on which the answered thing happened."""
    match answer:
        case BiopsyDone():
            return answer.collected_on
        case PanelReported():
            return answer.reported_on
        case EligibilityForm():
            return answer.assessed_on
        case TreatmentCheck():
            return answer.checked_on
        case LymphodepletionGiven():
            return answer.given_at.date()
        case InfusionGiven():
            return answer.started_at.date()
        case CytokineCourse():
            return max(answer.administered_on, default=date.min)
        case SafetyVisit() | StudyEnded():
            return answer.visited_on
        case ImagingDone():
            return answer.scanned_on
        case _:
            assert_never(answer)


def answered_at(answer: Answer) -> datetime | None:
    """Return the moment at which the answered thing happened, where the answer gives one."""
    match answer:
        case LymphodepletionGiven():
            return answer.given_at
        case InfusionGiven():
            return answer.started_at
        case _:
            return None
