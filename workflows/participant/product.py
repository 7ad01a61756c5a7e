"""Units of the bank: reserved, counted, booked as infused, returned; each by an activity with a key of its own."""

from datetime import date

from temporalio import workflow

from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.product.bank import FittingUnits, UnitMatch, UnitRequest
from workflows.journal import system
from workflows.participant.schedule import Schedule
from workflows.workflow_time import now


async def reserve(schedule: Schedule, what: str, count: int, last_infusion_on: date) -> bool:
    """Reserve so many units, unexpired through a day, all or none; `what` (a cohort or a cycle) is part of the key."""
    state = schedule.state
    key = f"{workflow.info().workflow_id}:reserve:{what}:{schedule.journal.sequence}"
    request = _request(schedule, count, last_infusion_on)
    reserve_units = m.ReserveUnits(key=key, study=state.study, subject=state.subject, request=request, at=now())
    match = await schedule.execute(names.RESERVE_UNITS, reserve_units, UnitMatch)
    if not match.units:
        schedule.journal.record(f.ProductAwaited(**system(match.reason)))
        return False
    ids, lots = tuple(unit.unit_id for unit in match.units), tuple(sorted({unit.lot for unit in match.units}))
    schedule.journal.record(f.ProductReserved(units=ids, lots=lots, **system(match.reason)))
    return True


async def count_fitting(schedule: Schedule, count: int, last_infusion_on: date) -> int:
    """Count the free units that fit; another participant may be faster."""
    request = _request(schedule, count, last_infusion_on)
    return (await schedule.execute(names.COUNT_UNITS, request, FittingUnits)).count


async def give_back(schedule: Schedule, why: str) -> None:
    """
    Give the units that were not infused back to the bank.

    The activity starts once the history holds what leads to it: a free unit may be somebody else's at once.
    """
    state = schedule.state
    if not state.units:
        return
    schedule.journal.record(f.ProductReturned(units=state.units, **system(why)))
    key = f"{workflow.info().workflow_id}:return:{schedule.journal.sequence}"
    back = m.ReturnUnits(key=key, study=state.study, subject=state.subject, units=state.units, at=now(), why=why)
    await schedule.execute(names.RETURN_UNITS, back, type(None))


async def book_infusions(schedule: Schedule) -> None:
    """Book the infusions that the bank does not know of yet: also of a participation that ended at the same moment."""
    while schedule.marks.infusions_booked < len(schedule.state.infusions):
        number, state = schedule.marks.infusions_booked, schedule.state
        infusion, step = state.infusions[number], state.infusion_steps[number]
        booking = m.BookInfusion(
            key=f"{workflow.info().workflow_id}:infused:{step}",
            study=state.study,
            subject=state.subject,
            unit_id=infusion.unit_id,
            at=infusion.started_at,
            who=state.infused_by[number],
            why=f"{step} was given",
        )
        await schedule.execute(names.BOOK_INFUSION, booking, type(None))
        schedule.mark(infusions_booked=number + 1)


def _request(schedule: Schedule, count: int, last_infusion_on: date) -> UnitRequest:
    assignment, slot = schedule.state.assignment, schedule.state.slot
    if assignment is None or slot is None:
        raise RuntimeError("no product without an assignment and a slot")
    return UnitRequest(
        target=assignment.target, million_cells=slot.million_cells, count=count, last_infusion_on=last_infusion_on
    )
