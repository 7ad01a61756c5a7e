"""The participant's outcome in the DLT window, and what the arm receives of it."""

from decisions.dlt.outcome import judge_dlt
from decisions.dlt.status import open_events
from decisions.safety.summary import summary_of
from schemas import facts as f
from schemas import messages as m
from schemas.dlt.outcome import DltStatus
from schemas.protocol import Visit, VisitKind
from workflows.journal import system
from workflows.participant.schedule import Schedule
from workflows.workflow_time import now


def ends_dlt_window(schedule: Schedule, visit: Visit) -> bool:
    """Tell whether a visit closes the DLT window."""
    return visit.kind is VisitKind.SAFETY and visit.day >= schedule.protocol.dlt.window_days


def judge(schedule: Schedule, *, window_complete: bool) -> None:
    """Judge the outcome, and report it to the arm; an open adjudication decides first."""
    judged = _judged(schedule, window_complete=window_complete)
    if judged is None and open_events(schedule.state):
        return
    if judged is None:
        undone = (
            "the safety follow-up of the DLT window was not completed"
            if schedule.state.infusions
            else "no infusion was given"
        )
        judged = DltStatus.NOT_EVALUABLE, undone
    status, why = judged
    schedule.journal.record(f.DltJudged(status=status, **system(why)))
    has_definition = schedule.protocol.dlt.definition is not None
    summary = summary_of(schedule.protocol, schedule.state) if has_definition else None
    outcome = m.Outcome(
        subject=schedule.state.subject, status=status, occurred_on=now().date(), why=why, summary=summary
    )
    schedule.signal_arm("report_outcome", outcome)


def judge_if_decided(schedule: Schedule) -> None:
    """Judge at once what an event or its adjudication has decided, also after the outcome was reported."""
    if schedule.state.slot is None or schedule.state.dlt is DltStatus.DLT:
        return
    if schedule.protocol.dlt.definition is not None and schedule.state.dlt is None and _window_is_over(schedule):
        judge(schedule, window_complete=window_is_complete(schedule))
        return
    judged = _judged(schedule, window_complete=False)
    if judged is not None and judged[0] is DltStatus.DLT:
        judge(schedule, window_complete=False)


def window_is_complete(schedule: Schedule) -> bool:
    """Tell whether the visit that closes the DLT window was answered."""
    return any(schedule.tasks.was_answered(step) for step in _closing_visits(schedule))


def _window_is_over(schedule: Schedule) -> bool:
    ended = schedule.tasks.end_of
    return any(ended(step) is not None or step in schedule.state.skipped for step in _closing_visits(schedule))


def _closing_visits(schedule: Schedule) -> list[str]:
    return [visit.id for visit in schedule.protocol.visits if ends_dlt_window(schedule, visit)]


def _judged(schedule: Schedule, *, window_complete: bool) -> tuple[DltStatus, str] | None:
    planned = len(schedule.protocol.infusions.days)
    return judge_dlt(schedule.protocol.dlt, planned, schedule.state, window_complete)
