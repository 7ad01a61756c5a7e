"""A participant's state as a fold over facts: the workflow, the read model and the auditor share it."""

from collections.abc import Iterable
from functools import reduce
from typing import Any, assert_never

from decisions.state.participant_answers import answer_changes
from decisions.state.participant_safety import safety_changes
from decisions.state.participant_screening import screening_changes, slot_changes
from decisions.state.participant_treatment import treatment_changes, visit_changes
from decisions.state.tasks import TaskFact, open_tasks, without_task
from schemas import facts as f
from schemas.commands.answers import InfusionGiven
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition
from schemas.schedule.task import TaskEnd
from schemas.state.participant import ParticipantState, Stage

DISPOSITIONS = {
    EndReason.WITHDRAWAL: Disposition.WITHDRAWN,
    EndReason.DEATH: Disposition.DIED,
    EndReason.LOST_TO_FOLLOW_UP: Disposition.LOST_TO_FOLLOW_UP,
    EndReason.INVESTIGATOR: Disposition.DISCONTINUED,
}
"""The named final state of each early end."""
_EnrolmentFact = f.ParticipantEnrolled | f.HoldPlaced | f.HoldLifted | f.Refused | f.EndRequested | f.ParticipationEnded


def enrol(fact: f.ParticipantEnrolled) -> ParticipantState:
    """Return a participant's state after the first fact."""
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
    """Return the state after all facts of a participant; raise `ValueError` unless the first is the enrolment."""
    first, *rest = facts
    if not isinstance(first, f.ParticipantEnrolled):
        msg = f"a participant's facts begin with participant_enrolled, not {first.kind}"
        raise ValueError(msg)  # noqa: TRY004 - the history is wrong, not the type
    return reduce(apply, rest, enrol(first))


def apply(state: ParticipantState, fact: f.ParticipantFact) -> ParticipantState:
    """Return the state after one more fact."""
    changes = _changes(state, fact)
    return state.model_copy(update=changes) if changes else state


def _changes(state: ParticipantState, fact: f.ParticipantFact) -> dict[str, Any]:
    match fact:
        case f.TaskOpened() | f.TaskReminded() | f.TaskEscalated() | f.TaskClosed() | f.TaskAnswered():
            changes = _task_changes(state, fact)
        case f.AntigensProfiled() | f.EligibilityJudged() | f.Assigned() | f.ArmRefused():
            changes = screening_changes(state, fact)
        case (
            f.SlotGranted()
            | f.SlotReturned()
            | f.ProductReserved()
            | f.ProductAwaited()
            | f.ProductReturned()
            | f.DayZeroPlanned()
        ):
            changes = slot_changes(state, fact)
        case (
            f.TreatmentChecked()
            | f.TreatmentStopped()
            | f.DltJudged()
            | f.CytokineJudged()
            | f.RetreatmentJudged()
            | f.CycleStarted()
        ):
            changes = treatment_changes(state, fact)
        case f.StepSkipped() | f.DeviationRecorded() | f.ResponseAssessed():
            changes = visit_changes(state, fact)
        case (
            f.AdverseEventReported()
            | f.AdverseEventAmended()
            | f.DltFindingMade()
            | f.ReportingClockStarted()
            | f.ReportingClockStopped()
        ):
            changes = safety_changes(state, fact)
        case (
            f.ParticipantEnrolled()
            | f.HoldPlaced()
            | f.HoldLifted()
            | f.Refused()
            | f.EndRequested()
            | f.ParticipationEnded()
        ):
            changes = _enrolment_changes(state, fact)
        case _:
            assert_never(fact)
    return changes


def _task_changes(state: ParticipantState, fact: TaskFact | f.TaskAnswered) -> dict[str, Any]:
    match fact:
        case f.TaskOpened():
            return {"tasks": open_tasks(state.tasks, fact), "tasks_opened": state.tasks_opened + 1}
        case f.TaskReminded() | f.TaskEscalated():
            return {"tasks": open_tasks(state.tasks, fact)}
        case f.TaskClosed():
            return {"tasks": open_tasks(state.tasks, fact), "closed": state.closed | {fact.task_id: fact.end}}
        case f.TaskAnswered():
            answered = answer_changes(state, state.tasks[fact.task_id].step, fact.answer)
            if isinstance(fact.answer, InfusionGiven):
                answered["infused_by"] = (*state.infused_by, fact.who)
            closed = state.closed | {fact.task_id: TaskEnd.ANSWERED}
            return answered | {"tasks": without_task(state.tasks, fact.task_id), "closed": closed}
        case _:
            assert_never(fact)


def _enrolment_changes(state: ParticipantState, fact: _EnrolmentFact) -> dict[str, Any]:
    match fact:
        case f.ParticipantEnrolled():
            return {}
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
        case _:
            assert_never(fact)
