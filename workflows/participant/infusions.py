"""The planned CAR-NK infusions: each after its check, within its window, and not while anything forbids it."""

from datetime import datetime, timedelta

from decisions.dlt.status import open_events
from decisions.treatment.courses import course_detail, course_step, course_title
from decisions.treatment.cycles import cycle_in_words
from decisions.treatment.readiness import treatment_is_over
from schemas import messages as m
from schemas.commands.answers import InfusionGiven
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.schedule.task import TaskEnd, TaskKind, TaskPlan
from schemas.state.participant import ParticipantState
from workflows.participant import product
from workflows.participant.lymphodepletion import move_day_zero
from workflows.participant.schedule import Schedule, ScheduleEndedError, start_of
from workflows.participant.treatment_check import is_held, pass_check
from workflows.workflow_time import now

FIRST_INFUSION = "infusion-1"
"""The step of day 0."""


async def infuse(schedule: Schedule) -> None:
    """
    Give every planned infusion, or skip it with the reason; what is left of the product goes back.

    Raises:
        ScheduleEndedError: the first infusion could not be given within its window.
    """
    for number, offset in enumerate(schedule.protocol.infusions.days, start=1):
        step = f"infusion-{number}"
        if step in schedule.state.infusion_steps or step in schedule.state.skipped:
            continue
        if treatment_is_over(schedule.state, step):
            schedule.skip(step, "treatment has stopped")
            continue
        await give_infusion(schedule, number, step, schedule.day(offset))
    # Once a further cycle has begun, the units are that cycle's.
    if not schedule.state.cycles:
        await product.give_back(schedule, "no further infusion is planned")


async def give_infusion(schedule: Schedule, number: int, step: str, planned: datetime) -> None:
    """Give one infusion within its window, which includes its last day, or skip it."""
    closes = planned + timedelta(days=schedule.protocol.infusions.window_after_days + 1)
    await schedule.until(planned)
    while now() < closes and not treatment_is_over(schedule.state, step):
        # Its task is open already where the workflow has continued as new: then the check was passed before.
        is_asked = schedule.tasks.open_task(step) is not None
        if not is_asked and not await pass_check(schedule, step, planned, closes):
            break
        if await _ask_for_infusion(schedule, number, step, closes):
            return
    if step == FIRST_INFUSION:
        why = "the first infusion could not be given within its window"
        raise ScheduleEndedError(Disposition.NOT_TREATED, why)
    is_over = treatment_is_over(schedule.state, step)
    schedule.skip(step, "treatment has stopped" if is_over else "the infusion could not be given within its window")


async def _ask_for_infusion(schedule: Schedule, number: int, step: str, closes: datetime) -> bool:
    slot, units = schedule.state.slot, schedule.state.units
    if slot is None or not units:
        return False
    if _is_forbidden(schedule.state):
        _cancel_task(schedule, step)
        return False
    plan = TaskPlan(
        kind=TaskKind.INFUSION,
        step=step,
        title=f"Infuse CAR-NK dose {number}" + cycle_in_words(step),
        expires_at=closes,
        detail={"unit": units[0], "million_cells": f"{slot.million_cells:g}"},
    )
    task = schedule.tasks.open(plan)
    await schedule.wait(lambda: task.id in schedule.state.closed or _is_forbidden(schedule.state))
    if task.id not in schedule.state.closed:
        _cancel_task(schedule, step)
        return False
    # By the task, not by the step: an earlier task of the step may have been cancelled.
    if schedule.state.closed[task.id] is not TaskEnd.ANSWERED:
        return False
    await _follow_infusion(schedule, number, step, schedule.state.infusions[-1])
    return True


def _cancel_task(schedule: Schedule, step: str) -> None:
    task = schedule.tasks.open_task(step)
    if task is not None:
        schedule.tasks.cancel(task, f"an infusion may not start now: {_hindrance(schedule.state)}")


async def _follow_infusion(schedule: Schedule, number: int, step: str, infusion: InfusionGiven) -> None:
    given_on = infusion.started_at.date()
    report_first_dose(schedule)
    rule = schedule.protocol.cytokine
    if rule.rules is None and number in rule.after_infusions:
        plan = TaskPlan(
            kind=TaskKind.CYTOKINE_COURSE,
            step=course_step(step),
            title=course_title(step),
            expires_at=start_of(given_on) + timedelta(days=rule.window_days + 1),
            detail=course_detail(rule),
        )
        schedule.tasks.open_once(plan)
    await product.book_infusions(schedule)


def report_first_dose(schedule: Schedule) -> None:
    """Report the first infusion to the arm, once; it is day 0, also of a participation that ends at the same moment."""
    if not schedule.state.infusions or schedule.marks.first_dose_reported:
        return
    given_on = schedule.state.infusions[0].started_at.date()
    move_day_zero(schedule, given_on, "the first infusion is day 0")
    schedule.signal_arm("report_first_dose", m.FirstDose(subject=schedule.state.subject, infused_on=given_on))
    schedule.mark(first_dose_reported=True)


def _is_forbidden(state: ParticipantState) -> bool:
    return is_held(state) or state.treatment_stopped or state.dlt is DltStatus.DLT


def _hindrance(state: ParticipantState) -> str:
    undecided = ", ".join(open_events(state))
    return ", ".join(state.holds) or (f"{undecided} may be dose-limiting" if undecided else "treatment has stopped")
