"""Continue-as-new: an arm runs once per cohort, and nothing is lost or counted twice from one run to the next."""

import asyncio
from datetime import datetime

from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, Decide, DecisionAction
from schemas.dlt.outcome import DltStatus
from simulation.world import World
from tests.workflows.stories import (
    SINGLE,
    Case,
    arm_facts,
    arm_now,
    begin,
    committee_is_asked,
    decide,
    envelope,
    eventually,
    in_line,
    somebody,
    with_cohorts_of_one,
)


async def numbers_on_record(world: World) -> tuple[list[int], list[int], int]:
    """Return an arm's fact numbers in its histories and in the read model, and how many runs there are."""
    runs = await fetch_runs(world.client.temporal, names.arm_id(world.client.study, SINGLE))
    return [fact.sequence for fact in facts_in(runs)], [f["sequence"] for f in await arm_facts(world)], len(runs)


async def next_run(world: World, cohort: int) -> None:
    """Wait until the arm serves this cohort in a run of its own."""

    async def serves() -> bool:
        runs = await fetch_runs(world.client.temporal, names.arm_id(world.client.study, SINGLE))
        return len(runs) == cohort and (await world.arm_state(SINGLE)).cohort == cohort

    await eventually(serves, f"cohort {cohort} has a run of its own")


async def judged(case: Case) -> None:
    """Play a participant ahead to the end of the DLT window."""
    await case.reach_fact("dlt_judged")
    assert (await case.state()).dlt is DltStatus.NO_DLT


async def test_fact_numbers_go_on_from_one_cohort_to_the_next(world: World, protocol: LoadedProtocol) -> None:
    """Three cohorts in three runs: the facts are numbered without a gap, and the state knows all slots."""
    cases = await begin(world, with_cohorts_of_one(protocol), *(somebody(n) for n in (1, 2, 3)))
    await in_line(cases)
    for number, case in enumerate(cases[:2], start=1):
        await judged(case)
        await committee_is_asked(world)
        await decide(world, DecisionAction.ESCALATE)
        await next_run(world, number + 1)

    await cases[2].reach_fact("product_reserved")

    in_histories, in_read_model, runs = await numbers_on_record(world)
    assert runs == 3
    assert in_histories == in_read_model == list(range(1, len(in_histories) + 1))
    arm = await world.arm_state(SINGLE)
    assert [(slot.subject, slot.cohort, slot.level) for slot in arm.slots] == [
        (case.subject, number, number) for number, case in enumerate(cases, start=1)
    ]


async def test_what_arrives_while_a_cohort_is_handed_over_is_kept(world: World, protocol: LoadedProtocol) -> None:
    """Many commands arrive with the decision itself: each is answered, and each refusal is on record, gapless."""
    case, waiting = await begin(world, with_cohorts_of_one(protocol), somebody(1), somebody(2))
    await in_line([case, waiting])
    await judged(case)
    await committee_is_asked(world)
    time = await arm_now(world, SINGLE)

    answers = await asyncio.gather(
        decide(world, DecisionAction.ESCALATE),
        *(say_no(world, time, number) for number in range(20)),
        return_exceptions=True,
    )
    await waiting.reach_fact("product_reserved")
    await next_run(world, 2)

    assert isinstance(answers[0], Accepted)
    in_histories, in_read_model, _runs = await numbers_on_record(world)
    assert in_read_model == list(range(1, len(in_read_model) + 1))
    assert in_histories == in_read_model
    refusals = [fact for fact in await arm_facts(world) if fact["kind"] == "refused"]
    assert len(refusals) == 20


async def say_no(world: World, time: datetime, number: int) -> Accepted:
    """Send a decision that is refused whenever it arrives, some of them a little later than others."""
    for _ in range(number):
        await world.arm_state(SINGLE)
    command = Decide(
        envelope=envelope(Role.INVESTIGATOR, time, "not mine to decide"), cohort=1, action=DecisionAction.STOP
    )
    return await world.client.decide(SINGLE, command)
