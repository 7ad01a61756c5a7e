"""Assignment to an arm and target, a slot of its cohort, and product for all planned infusions."""

from datetime import date, timedelta

from decisions.screening.assignment import assign
from schemas import facts as f
from schemas import messages as m
from schemas.dlt.outcome import Disposition
from schemas.state.participant import Slot
from workflows.journal import system
from workflows.participant import product, response
from workflows.participant.schedule import Schedule, ScheduleEndedError, start_of
from workflows.workflow_time import now


async def take_a_place(schedule: Schedule) -> None:
    """
    Assign, wait for a slot and reserve product; a slot without product goes back, and both are tried again.

    Raises:
        ScheduleEndedError: no arm takes the participant, or no fitting product came in time.
    """
    while not schedule.state.units and not schedule.state.infusions:
        if schedule.marks.product_check_at is not None:
            await schedule.until(schedule.marks.product_check_at)
            schedule.mark(product_check_at=None)
        if schedule.state.assignment is None:
            _assign(schedule)
            response.open_baseline(schedule)
        slot = schedule.state.slot
        if slot is None:
            await _wait_for_slot(schedule)
        elif not await _reserve(schedule, slot):
            _return_slot(schedule, "the bank has no fitting product now")
            _plan_next_check(schedule)


def _assign(schedule: Schedule) -> None:
    state = schedule.state
    if state.profile is None or state.panel is None:
        raise RuntimeError("assignment before profiling")
    result = assign(schedule.protocol, state.profile, state.panel.high_heterogeneity_risk, state.refused_arms)
    if result.choice is None:
        raise ScheduleEndedError(Disposition.SCREEN_FAILURE, result.why)
    choice = result.choice
    schedule.journal.record(
        f.Assigned(arm=choice.arm, arm_kind=choice.arm_kind, target=choice.target, **system(result.why))
    )


async def _wait_for_slot(schedule: Schedule) -> None:
    state = schedule.state
    if not schedule.marks.slot_asked:
        target = state.assignment.target if state.assignment and schedule.protocol.expansion else None
        schedule.signal_arm("request_slot", m.SlotRequest(subject=state.subject, target=target))
        schedule.mark(slot_asked=True)
    await schedule.wait(lambda: schedule.state.slot is not None or schedule.state.assignment is None)


async def _reserve(schedule: Schedule, slot: Slot) -> bool:
    if slot.not_before is not None:
        await schedule.until(start_of(slot.not_before))
    rules = schedule.protocol
    day_zero = _earliest_day_zero(schedule)
    latest = rules.infusions.days[-1] + rules.infusions.window_after_days + rules.lymphodepletion.window_after_days
    last_infusion_on = day_zero + timedelta(days=latest)
    if not await product.reserve(schedule, str(slot.cohort), len(rules.infusions.days), last_infusion_on):
        return False
    days = rules.lymphodepletion.earliest_days_after_reservation
    why = f"lymphodepletion starts {days} days after reservation"
    schedule.journal.record(f.DayZeroPlanned(day_zero=day_zero, **system(why)))
    return True


def _earliest_day_zero(schedule: Schedule) -> date:
    rule = schedule.protocol.lymphodepletion
    return now().date() + timedelta(days=rule.earliest_days_after_reservation - rule.days[0])


def _return_slot(schedule: Schedule, why: str) -> None:
    give_slot_back(schedule, why)
    schedule.journal.record(f.SlotReturned(**system(why)))


def give_slot_back(schedule: Schedule, why: str) -> None:
    """Let the arm know that the participant gives its slot back, or waits for none any more."""
    back = m.SlotBack(subject=schedule.state.subject, occurred_on=now().date(), why=why)
    schedule.signal_arm("take_slot_back", back)


def _plan_next_check(schedule: Schedule) -> None:
    rules = schedule.protocol.assignment
    since = schedule.marks.product_awaited_since or now()
    schedule.mark(product_awaited_since=since)
    if now() >= since + timedelta(days=rules.product_give_up_after_days):
        raise ScheduleEndedError(Disposition.NOT_TREATED, "no fitting product came to the bank in time")
    schedule.mark(product_check_at=now() + timedelta(days=rules.product_check_every_days))
