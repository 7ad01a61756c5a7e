"""The visits after the infusions: safety, imaging, end of study; further cycles run between two of them."""

from datetime import timedelta

from schemas.protocol import Visit
from schemas.schedule.task import TaskKind, TaskPlan
from workflows.participant import dlt, response
from workflows.participant.cycles import FurtherCycles
from workflows.participant.schedule import Schedule


async def follow_up(schedule: Schedule) -> None:
    """Ask for every visit of the schedule within its window."""
    cycles = FurtherCycles(schedule)
    for visit in schedule.protocol.visits:
        if schedule.tasks.end_of(visit.id) or visit.id in schedule.state.skipped:
            continue
        over = response.not_asked(schedule, visit)
        if over is not None:
            schedule.skip(visit.id, over)
            continue
        await _attend(schedule, cycles, visit)
        await schedule.continue_as_new_if_suggested()


async def _attend(schedule: Schedule, cycles: FurtherCycles, visit: Visit) -> None:
    opens = schedule.day(visit.day - visit.window_before_days)
    closes = schedule.day(visit.day + visit.window_after_days + 1)
    await cycles.until_visit(opens, closes)
    plan = TaskPlan(
        kind=TaskKind(visit.kind.value),
        step=visit.id,
        title=f"Visit {visit.id} (day {visit.day})",
        due_at=schedule.day(visit.day + 1),
        expires_at=closes + timedelta(days=visit.late_days),
    )
    if not await schedule.ask(plan):
        schedule.skip(visit.id, "the visit's window closed without an answer")
        response.record_missed(schedule, visit)
    if dlt.ends_dlt_window(schedule, visit) and schedule.state.dlt is None:
        dlt.judge(schedule, window_complete=schedule.tasks.was_answered(visit.id))
