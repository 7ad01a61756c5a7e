"""Lymphodepletion: fludarabine and cyclophosphamide on the days before the first infusion."""

from datetime import date, datetime, timedelta

from decisions.treatment.readiness import lymphodepletion_doses
from schemas import facts as f
from schemas.dlt.outcome import Disposition
from schemas.schedule.task import TaskKind, TaskPlan
from workflows.journal import system
from workflows.participant import response
from workflows.participant.schedule import Schedule, ScheduleEndedError
from workflows.participant.treatment_check import has_passed, pass_check

STEP = "lymphodepletion"


async def deplete_lymphocytes(schedule: Schedule) -> None:
    """
    Give every day of lymphodepletion within its window; a late first day moves day 0.

    Raises:
        ScheduleEndedError: it could not be started in time.
    """
    if schedule.state.infusions or schedule.state.treatment_stopped:
        return
    rule = schedule.protocol.lymphodepletion
    starts = schedule.day(rule.days[0])
    closes = starts + timedelta(days=rule.window_after_days + 1)
    if not _may_start_already(schedule) and not await _may_start(schedule, starts, closes):
        why = f"lymphodepletion could not start in time: {_hindrance(schedule)}"
        raise ScheduleEndedError(Disposition.NOT_TREATED, why)
    for number, offset in enumerate(rule.days, start=1):
        await _give_day(schedule, number, offset)


async def _give_day(schedule: Schedule, number: int, offset: int) -> None:
    step = f"{STEP}-{number}"
    if step in schedule.state.skipped:
        return
    given = await ask_for_day(schedule, step, f"Give lymphodepletion day {number}", schedule.day(offset))
    if not given and number == 1:
        why = "lymphodepletion was not started within its window"
        raise ScheduleEndedError(Disposition.NOT_TREATED, why)
    if not given:
        schedule.skip(step, "lymphodepletion was not given within its window")
    elif number == 1:
        first_day = schedule.state.lymphodepletion_on[0]
        move_day_zero(schedule, first_day - timedelta(days=offset), "lymphodepletion started on another day")


async def ask_for_day(schedule: Schedule, step: str, title: str, planned: datetime) -> bool:
    """Wait for a day of lymphodepletion, and ask for it; return whether it was given within its window."""
    rule = schedule.protocol.lymphodepletion
    await schedule.until(planned)
    plan = TaskPlan(
        kind=TaskKind.LYMPHODEPLETION,
        step=step,
        title=title,
        expires_at=planned + timedelta(days=rule.window_after_days + 1),
        detail=lymphodepletion_doses(rule),
    )
    return await schedule.ask(plan)


def move_day_zero(schedule: Schedule, day_zero: date, why: str) -> None:
    """Plan day 0 on another day."""
    if day_zero != schedule.state.day_zero:
        schedule.journal.record(f.DayZeroPlanned(day_zero=day_zero, **system(why)))


def _may_start_already(schedule: Schedule) -> bool:
    # Where the workflow has continued as new between the check and the day of lymphodepletion.
    checked = has_passed(schedule, STEP) and response.baseline_is_recent(schedule)
    return bool(schedule.state.lymphodepletion_on) or checked


async def _may_start(schedule: Schedule, starts: datetime, closes: datetime) -> bool:
    # A check that is repeated takes days: the baseline may have become too old meanwhile.
    while await response.has_baseline(schedule, closes):
        if not await pass_check(schedule, STEP, starts, closes):
            return False
        if response.baseline_is_recent(schedule):
            return True
    return False


def _hindrance(schedule: Schedule) -> str:
    if schedule.state.on_hold():
        return f"held ({', '.join(schedule.state.holds)})"
    return "the criteria were not met" if response.baseline_is_recent(schedule) else "no recent tumour assessment"
