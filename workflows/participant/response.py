"""The tumour's response in a participant's schedule: baseline, assessments, deviations, and what progression ends."""

from datetime import date, datetime

from decisions.response import tumour_answers
from decisions.response.imaging import contradiction, judge_response, progressed_on
from decisions.schedule.deviations import visit_deviation, visit_window
from schemas import facts as f
from schemas.commands.answers import ImagingDone
from schemas.protocol import Visit, VisitKind
from schemas.response.tumour import BestResponse, TimepointResponse
from schemas.schedule.task import TaskKind, TaskPlan
from workflows.journal import system
from workflows.participant.schedule import Schedule
from workflows.workflow_time import now

BASELINE = "baseline-imaging"


def open_baseline(schedule: Schedule) -> None:
    """
    Ask for the baseline beside the wait for slot and product.

    Without an expiry: who waits long for a slot has done nothing wrong. Whether it is too old by then is judged
    before lymphodepletion.
    """
    first = f"{BASELINE}-1"
    state = schedule.state
    asked = any(task_id.endswith(f"-{first}") for task_id in state.closed)
    if schedule.protocol.recist is not None and not asked:
        schedule.tasks.open(
            TaskPlan(kind=TaskKind.BASELINE_IMAGING, step=first, title="Measure the lesions before treatment")
        )


async def has_baseline(schedule: Schedule, closes: datetime) -> bool:
    """Wait for a baseline that is recent enough, and ask for another if it is not, until the window closes."""
    if schedule.protocol.recist is None:
        return True
    if schedule.state.baseline is None:
        await schedule.wait(lambda: schedule.state.baseline is not None, closes)
    attempt = 2
    while schedule.state.baseline is not None and not baseline_is_recent(schedule):
        step, title = f"{BASELINE}-{attempt}", "Measure the lesions again: the baseline is too old"
        plan = TaskPlan(kind=TaskKind.BASELINE_IMAGING, step=step, title=title, expires_at=closes)
        if not await schedule.ask(plan):
            return False
        attempt += 1
    return schedule.state.baseline is not None


def baseline_is_recent(schedule: Schedule) -> bool:
    """Tell whether lymphodepletion may start today by the baseline's day."""
    return tumour_answers.baseline_is_fresh(schedule.protocol, schedule.state, now().date())


def record_assessment(schedule: Schedule, step: str, answer: ImagingDone) -> None:
    """Record what an assessment means: its deviation from the window, the response, and progression."""
    rules = schedule.protocol
    visit = next((visit for visit in rules.visits if visit.id == step), None)
    if visit is not None and (rules.recist is not None or visit.late_days):
        _deviate(schedule, visit, answer.scanned_on)
    if rules.recist is None:
        return
    points, best = judge_response(rules.recist, schedule.state)
    for point in points:
        _assess(schedule, answer, point, best)
    _stop_if_progressed(schedule)


def record_missed(schedule: Schedule, visit: Visit) -> None:
    """Record that a visit was not reported within its window; a protocol without RECIST only skips it."""
    if schedule.protocol.recist is not None:
        _deviate(schedule, visit, None)


def not_asked(schedule: Schedule, visit: Visit) -> str | None:
    """Say why an assessment is no longer asked, if it is not: the tumour has progressed."""
    if schedule.protocol.recist is None or visit.kind is not VisitKind.IMAGING:
        return None
    progressed = progressed_on(schedule.state)
    return None if progressed is None else f"the tumour progressed on {progressed}: no further assessment"


def _deviate(schedule: Schedule, visit: Visit, done_on: date | None) -> None:
    day_zero = schedule.state.day_zero
    if day_zero is None:
        return
    deviation = visit_deviation(visit_window(visit, day_zero), done_on, now().date())
    if deviation is not None:
        fact = f.DeviationRecorded(step=visit.id, deviation=deviation, **system(deviation.why))
        schedule.journal.record(fact)


def _assess(schedule: Schedule, answer: ImagingDone, point: TimepointResponse, best: BestResponse | None) -> None:
    if best is None:
        return
    steps = {day: step for step, day in schedule.state.imaging_on.items()}
    reasons = [f"{point.overall} on {point.assessed_on}, best so far {best.response} ({best.why})"]
    if point.assessed_on == answer.scanned_on:
        reasons += [reason for reason in (contradiction(answer.response, point.overall),) if reason is not None]
    else:
        reasons.append(f"judged anew by the assessment of {answer.scanned_on}")
    why = "; ".join([*reasons, *best.review])
    fact = f.ResponseAssessed(step=steps[point.assessed_on], timepoint=point, best=best, **system(why))
    schedule.journal.record(fact)


def _stop_if_progressed(schedule: Schedule) -> None:
    progressed = progressed_on(schedule.state)
    if progressed is not None and not schedule.state.treatment_stopped:
        why = f"progression of the tumour on {progressed}"
        schedule.journal.record(f.TreatmentStopped(**system(why)))
