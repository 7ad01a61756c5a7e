"""
What makes an answer to a task malformed: its kind, its event, dates, units or ranges.

Called by the validator of the update: what is refused here is not written to the history.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from decisions.commands import refusals
from decisions.commands.checks import day_outside, future_time
from decisions.response.tumour_answers import malformed_tumour_answer
from decisions.safety.adverse_events import event_of
from decisions.screening.laboratory import wrong_unit_or_implausible
from schemas.commands.answers import (
    Answer,
    BaselineImaging,
    CytokineCourse,
    DltAdjudication,
    GradeQueryAnswered,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    PanelReported,
    SaeReported,
    SusarReported,
    TreatmentCheck,
)
from schemas.commands.commands import AnswerTask
from schemas.problem import Problem
from schemas.protocol import Protocol
from schemas.schedule.task import Task
from schemas.screening.eligibility import EligibilityForm
from schemas.state.participant import ParticipantState

EventAnswer = DltAdjudication | GradeQueryAnswered | SaeReported | SusarReported
"""Answers that name the adverse event that they are about."""
TimedAnswer = LymphodepletionGiven | InfusionGiven | SaeReported | SusarReported
"""Answers with a time of day."""


def malformed_answer(protocol: Protocol, state: ParticipantState, command: AnswerTask, now: datetime) -> Problem | None:
    """Return the first refusal of an answer, or none; a closed task is left to the handler."""
    problem = future_time("envelope.time", command.envelope.time, now)
    if problem:
        return problem
    if command.task_id in state.closed:
        return None
    task = state.tasks.get(command.task_id)
    if task is None:
        return refusals.unknown_task(state.subject, command.task_id, sorted(state.tasks))
    return (
        _wrong_kind(task, command.answer)
        or _wrong_event(task, command.answer)
        or _wrong_dates(protocol, state, task, command.answer, now)
        or _wrong_laboratory(protocol, command.answer)
        or malformed_tumour_answer(protocol, state, command.answer, now.date())
    )


def _wrong_kind(task: Task, answer: Answer) -> Problem | None:
    return None if answer.kind == task.kind.value else refusals.wrong_answer_kind(task, answer.kind)


def _wrong_event(task: Task, answer: Answer) -> Problem | None:
    expected = task.detail.get("event_id")
    if not isinstance(answer, EventAnswer) or answer.event_id == expected:
        return None
    return refusals.wrong_event(task, answer.event_id, expected)


def _wrong_laboratory(protocol: Protocol, answer: Answer) -> Problem | None:
    if isinstance(answer, EligibilityForm | TreatmentCheck):
        return wrong_unit_or_implausible(protocol.eligibility.laboratory, answer.laboratory, "answer.laboratory")
    return None


# Dates


def _wrong_dates(
    protocol: Protocol, state: ParticipantState, task: Task, answer: Answer, now: datetime
) -> Problem | None:
    if isinstance(answer, CytokineCourse):
        return _wrong_course_days(protocol, state, answer, now)
    field = f"answer.{_date_field(answer)}"
    earliest, step = _earliest(protocol, state, task, answer)
    return (
        (future_time(field, _time_of(answer), now) if isinstance(answer, TimedAnswer) else None)
        or day_outside(field, answer.happened_on, earliest, step, now)
        or _wrong_sample_dates(answer)
    )


def _wrong_course_days(
    protocol: Protocol, state: ParticipantState, course: CytokineCourse, now: datetime
) -> Problem | None:
    # With rules, what lies before the infusion is refused on record (decisions.treatment.course_check).
    since = _previous_step(state) if protocol.cytokine.rules is None else date.min
    days = course.administered_on
    return _first(day_outside("answer.administered_on", day, since, "the infusion", now) for day in days)


def _wrong_sample_dates(answer: Answer) -> Problem | None:
    if not isinstance(answer, PanelReported):
        return None
    return _first(
        refusals.before_step(
            "answer.reported_on", answer.reported_on, sample.collected_on, f"the {sample.sample} sample was collected"
        )
        for sample in answer.samples
        if sample.collected_on > answer.reported_on
    )


def _earliest(protocol: Protocol, state: ParticipantState, task: Task, answer: Answer) -> tuple[date, str]:
    if isinstance(answer, EventAnswer):
        return event_of(state, answer.event_id).onset_on, "the event's onset"
    # A visit's window opens with its task; a screening result may stem from any day since consent.
    if isinstance(answer, EligibilityForm | PanelReported | BaselineImaging) or task.expires_at is None:
        return state.consent_signed_on, "the consent"
    if isinstance(answer, ImagingDone) and any(visit.late_days for visit in protocol.visits if visit.id == task.step):
        return _after_last_visit(state), "the visit before it, or the infusion"
    return max(_previous_step(state), task.opened_at.date()), "the step's window or the step before it"


def _previous_step(state: ParticipantState) -> date:
    infused = [infusion.started_at.date() for infusion in state.infusions]
    return max([state.consent_signed_on, *state.lymphodepletion_on, *infused])


def _after_last_visit(state: ParticipantState) -> date:
    """Return the first day for an assessment that may also be reported out of its window, as a deviation."""
    scans = [day + timedelta(days=1) for day in state.imaging_on.values()]
    return max([_previous_step(state), state.last_safety_visit_on or date.min, *scans])


def _time_of(answer: TimedAnswer) -> datetime:
    match answer:
        case LymphodepletionGiven():
            return answer.given_at
        case InfusionGiven():
            return answer.started_at
        case SaeReported() | SusarReported():
            return answer.reported_at


def _date_field(answer: Answer) -> str:
    if isinstance(answer, BaselineImaging):
        return "baseline.assessed_on"
    fields = (
        *("collected_on", "reported_on", "assessed_on", "checked_on", "visited_on", "scanned_on", "adjudicated_on"),
        *("answered_on", "decided_on", "given_at", "reported_at", "started_at"),
    )
    return next(field for field in fields if hasattr(answer, field))


def _first(problems: Iterable[Problem | None]) -> Problem | None:
    return next((problem for problem in problems if problem is not None), None)
