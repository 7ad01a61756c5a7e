"""Further cycles: offered by the rules after an assessment, decided by the investigator, run between two visits."""

from datetime import timedelta

from protocols.loader import LoadedProtocol
from schemas.dlt.outcome import Disposition
from schemas.problem import ProblemType
from schemas.schedule.task import TaskEnd
from schemas.state.participant import Stage
from schemas.treatment.support import SupportState
from simulation.people import VirtualParticipant
from simulation.world import World
from tests.workflows.stories import (
    MESOTHELIN,
    Case,
    begin,
    hold,
    in_line,
    lift,
    load_bank,
    one,
    refused,
    somebody,
    task_row,
    units_by_state,
    updates_accepted,
    with_escalation,
)

WEEK_8, WEEK_16 = "imaging-week-8", "imaging-week-16"
CYCLE_INFUSION = "cycle-1-infusion-1"


def stable() -> VirtualParticipant:
    """Return somebody whose lesions keep their size."""
    return somebody().model_copy(update={"tumour_course": (1.0,)})


async def who_accepts(world: World, protocol: LoadedProtocol) -> Case:
    """Begin with one participant with stable disease, for whom the investigator accepts what is offered."""
    case = await one(world, protocol, stable())
    case.change("retreatment", accepted=True)
    return case


async def test_a_declined_cycle_is_not_offered_again(world: World, protocol: LoadedProtocol) -> None:
    """Stable disease at week 8: a cycle is offered once, declined, and follow-up goes on as before."""
    case = await one(world, protocol, stable())

    state = await case.reach_end()

    (judged,) = await case.facts("retreatment_judged")
    assert judged["body"]["verdict"]["state"] == "offer"
    assert [task for task in state.closed if "retreatment" in task] == [
        next(task for task in state.closed if task.endswith("-retreatment-1"))
    ]
    assert state.disposition is Disposition.COMPLETED
    assert (state.cycles, len(state.infusions)) == (0, 3)


async def test_an_accepted_cycle_runs_between_two_visits(world: World, protocol: LoadedProtocol) -> None:
    """Units of the same dose, lymphodepletion again, the check, the infusion, a cytokine course; week 16 in time."""
    case = await who_accepts(world, protocol)

    await case.reach(WEEK_16)

    state = await case.state()
    assert state.infusion_steps == ("infusion-1", "infusion-2", "infusion-3", CYCLE_INFUSION)
    assert state.infusions[-1].million_cells == state.infusions[0].million_cells
    assert len(state.lymphodepletion_on) == 6
    assert (state.cycles, state.cycle_day_zero) == (1, state.infusions[-1].started_at.date())
    assert state.day_zero == state.infusions[0].started_at.date()
    checks = {fact["body"]["step"] for fact in await case.facts("treatment_checked")}
    assert {"treatment-check-cycle-1-lymphodepletion.1", "treatment-check-cycle-1-infusion-1.1"} <= checks
    courses = [task for task in state.closed if task.endswith("-cycle-1-cytokine-course-1")]
    assert [state.closed[task] for task in courses] == [TaskEnd.ANSWERED]
    assert (await units_by_state(world, case.subject)) == (0, 4)
    assert state.deviations == ()
    started = (await case.facts("cycle_started"))[0]
    assert "lymphodepletion is repeated" in started["why"]


async def test_cycles_end_with_the_most_that_the_protocol_allows(world: World, protocol: LoadedProtocol) -> None:
    """Two further cycles are given, and with the next assessment there is nothing more to offer."""
    case = await who_accepts(world, protocol)

    state = await case.reach_end()

    assert state.infusion_steps[3:] == (CYCLE_INFUSION, "cycle-2-infusion-1")
    assert state.retreatment is not None
    assert state.retreatment.state is SupportState.NEVER
    assert state.disposition is Disposition.COMPLETED
    assert state.skipped == ()
    assert state.stage is Stage.ENDED


async def test_nothing_is_offered_after_progression(world: World, protocol: LoadedProtocol) -> None:
    """The lesions have grown at week 8: the verdict is never, and nobody is asked."""
    case = await one(world, protocol, somebody().model_copy(update={"tumour_course": (1.5,)}))

    state = await case.reach_end()

    assert not any("retreatment" in task for task in state.closed)
    assert state.retreatment is not None
    assert state.retreatment.state is SupportState.NEVER


async def test_the_bank_must_hold_the_unit_before_the_offer(world: World, protocol: LoadedProtocol) -> None:
    """The bank has only the first three units: not yet at week 8, and an offer at week 16 once there is another."""
    (case,) = await begin(world, protocol, stable(), units=3)
    case.change("retreatment", accepted=True)

    not_yet = await case.reach_fact("retreatment_judged")
    await load_bank(world, units=1, target=MESOTHELIN)
    await case.reach(CYCLE_INFUSION)

    assert not_yet["body"]["verdict"]["state"] == "not_yet"
    assert "0 fitting units in the bank, 1 needed" in not_yet["why"]
    assert len((await case.state()).imaging_on) == 2


async def test_a_hold_takes_an_offer_back_and_lifting_it_makes_it_again(world: World, protocol: LoadedProtocol) -> None:
    """The study is held while the investigator thinks about it: the task is withdrawn, and comes again afterwards."""
    case = await one(world, protocol, stable())
    case.leave("retreatment")
    task = await case.reach("retreatment-1")

    await hold(world)
    await case.play(lambda seen: not any(t["kind"] == "retreatment" for t in seen.tasks), "the offer is taken back")
    assert (await task_row(world, task["task_id"]))["status"] == "cancelled"
    await lift(world)
    again = await case.reach("retreatment-1.2")

    await case.send(again, case.usual(again, accepted=True))
    await case.reach("treatment-check-cycle-1-lymphodepletion")
    verdicts = [fact["body"]["verdict"]["state"] for fact in await case.facts("retreatment_judged")]
    assert verdicts == ["offer", "not_yet", "offer"]


async def test_an_unanswered_offer_ends_before_the_next_visit(world: World, protocol: LoadedProtocol) -> None:
    """Nobody decides until the cycle would no longer fit before week 16: it expires, and the visit is in time."""
    case = await one(world, protocol, stable())
    case.leave("retreatment-1")
    task = await case.reach("retreatment-1")

    week_16 = await case.reach(WEEK_16)

    state = await case.state()
    assert state.closed[task["task_id"]] is TaskEnd.EXPIRED
    assert state.day_zero is not None
    assert (week_16["opened_at"].date() - state.day_zero).days == 105


async def test_a_cycle_that_may_not_be_infused_returns_its_unit(world: World, protocol: LoadedProtocol) -> None:
    """A fever lasts through the infusion's window: the step is skipped, the unit goes back, and week 16 is in time."""
    case = await one(world, protocol, stable())
    case.change("retreatment-1", accepted=True)
    case.change("treatment-check-cycle-1-infusion", temperature_celsius=38.4)

    week_16 = await case.reach(WEEK_16)

    state = await case.state()
    assert CYCLE_INFUSION in state.skipped
    assert (await units_by_state(world, case.subject)) == (0, 3)
    assert state.units == ()
    assert state.day_zero is not None
    assert week_16["opened_at"].date() - state.day_zero <= timedelta(days=119)


async def test_a_hold_stops_the_infusion_of_a_cycle(world: World, protocol: LoadedProtocol) -> None:
    """The study is held while a cycle's infusion is open: it is taken back, and refused to whoever answers it still."""
    case = await who_accepts(world, protocol)
    case.leave(CYCLE_INFUSION)
    task = await case.reach(CYCLE_INFUSION)
    before = await updates_accepted(world, case.workflow_id)

    await hold(world)
    await case.play(lambda seen: not any(t["kind"] == "infusion" for t in seen.tasks), "the infusion is taken back")
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)

    assert await updates_accepted(world, case.workflow_id) == before + 1
    assert len((await case.state()).infusions) == 3


async def test_a_dose_that_the_arm_found_toxic_is_not_given_again(world: World, protocol: LoadedProtocol) -> None:
    """Another participant at the same level has a DLT, which is enough here: no further cycle is offered."""
    loaded = with_escalation(protocol, stagger_days=0, toxic_at_dlts=1)
    first, second = await begin(world, loaded, stable(), somebody(2))
    await in_line([first, second])
    await second.reach("treatment-check-infusion-2")
    await second.report()
    await second.reach_fact("dlt_judged")

    fact = await first.reach_fact("retreatment_judged")

    assert fact["body"]["verdict"]["state"] == "never"
    assert "dose level 1 is at or above level 1, which is toxic" in fact["why"]
