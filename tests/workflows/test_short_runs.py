"""
Continue-as-new wherever a participant's schedule waits: on a server that asks for a new run after a few events.

Every wait of the schedule is then left and entered again, so nothing of it may stand only in a run's memory.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
from temporalio.client import Client

from activities.database import Pool, open_pool
from client.converter import DATA_CONVERTER
from deploy.migrate import migrate
from deploy.report import printer
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.stack_file import Stack
from deploy.temporal_client import connect_temporal
from deploy.temporal_server import find_server
from history.reading import facts_in
from protocols.loader import LoadedProtocol
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from simulation.world import World
from tests.conftest import IDLE_WORKER
from tests.workflows.safety_stories import crs, life_threatening, mild, report, shown
from tests.workflows.stories import (
    SINGLE,
    Case,
    begin,
    caught_up,
    eventually,
    hold,
    in_line,
    lift,
    load_bank,
    one,
    somebody,
)
from worker import make_worker

EVENTS_OF_A_RUN = 25
"""So many the server lets a run have before it asks for the next one; its own default is 4096."""
SERVER = """#!/bin/sh
[ "$1" = server ] && set -- "$@" --dynamic-config-value limit.historyCount.suggestContinueAsNew={events}
exec "{server}" "$@"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, whose server asks for short runs."""
    folder = tmp_path_factory.mktemp("short-runs")
    server = folder / "server"
    server.write_text(SERVER.format(events=EVENTS_OF_A_RUN, server=find_server(printer("temporal server"))))
    server.chmod(0o755)
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("TRIAL_TEMPORAL_SERVER", str(server))
        for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TRIAL_DATA"))]:
            changed.delenv(name)
        data = folder / "data"
        yield up(data, ui=False, virtual_time=True, worker=IDLE_WORKER)
        down(data)


@pytest.fixture(scope="module")
def dsn(stack: Stack) -> str:
    """The DSN of this stack's Postgres."""
    return stack.database_url


@pytest.fixture(scope="module")
async def client(stack: Stack) -> Client:
    """A client of this stack's Temporal server."""
    return await connect_temporal(embedded_services(stack.data), DATA_CONVERTER)


@pytest.fixture(scope="module")
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on this stack's database."""
    pool = await open_pool(dsn)
    await migrate(pool)
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
async def trial_worker(client: Client, pool: Pool) -> AsyncIterator[None]:
    """A worker of this stack."""
    async with make_worker(client, pool):
        yield


async def runs_without_a_gap(case: Case) -> int:
    """Check that the facts are numbered without a gap over all runs and in the read model; return how many runs."""
    runs = await caught_up(case.world, case.workflow_id)
    numbers = [fact.sequence for fact in facts_in(runs)]
    assert numbers == [fact["sequence"] for fact in await case.facts()]
    assert numbers == list(range(1, len(numbers) + 1))
    return len(runs)


async def test_a_whole_participation_in_many_runs_is_the_same_as_in_one(world: World, protocol: LoadedProtocol) -> None:
    """A repeated biopsy, a fever, a hold, three infusions, two years of visits: each step is asked for once."""
    person = somebody().model_copy(update={"first_biopsy_adequate": False})
    case = await one(world, protocol, person)
    case.change("treatment-check-infusion-1.1", temperature_celsius=38.4)
    await case.reach("infusion-2")
    await hold(world, SINGLE)
    await eventually(lambda: is_held(case, True), "the hold has arrived")
    await lift(world, SINGLE)
    await eventually(lambda: is_held(case, False), "its end has arrived")

    state = await case.reach_end()

    assert (state.disposition, state.dlt) == (Disposition.COMPLETED, DltStatus.NO_DLT)
    assert state.infusion_steps == ("infusion-1", "infusion-2", "infusion-3")
    assert await runs_without_a_gap(case) > len(state.closed) // 4
    kinds = [fact["kind"] for fact in await case.facts()]
    once = ("eligibility_judged", "assigned", "slot_granted", "product_reserved", "dlt_judged", "participation_ended")
    assert [kinds.count(kind) for kind in once] == [1] * len(once)
    assert kinds.count("antigens_profiled") == 2
    checks = [fact for fact in await case.facts("treatment_checked") if "infusion-1" in fact["body"]["step"]]
    assert [fact["body"]["go"] for fact in checks] == [False, True]
    assert all((later["at"] - earlier["at"]).days >= 1 for earlier, later in pairwise(checks))


async def is_held(case: Case, held: bool) -> bool:
    """Tell whether a participant knows of a hold, or of none."""
    return (await case.state()).on_hold() is held


async def test_events_that_arrive_while_a_run_is_left_are_kept(world: World, protocol: LoadedProtocol) -> None:
    """Eighty reports, eight at a time, over many runs: each has its number, and none is there twice."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    room = asyncio.Semaphore(8)

    async def send(number: int) -> None:
        async with room:
            await report(case, mild(case, term=f"Event {number}"))

    await asyncio.gather(*(send(number) for number in range(80)))
    await case.reach("infusion-1")

    terms = [event.term for event in (await case.state()).adverse_events]
    assert sorted(terms) == sorted(f"Event {number}" for number in range(80))
    assert await runs_without_a_gap(case) > 2
    reported = [fact["body"]["event_id"] for fact in await case.facts("adverse_event_reported")]
    assert reported == [f"AE-{number:03d}" for number in range(1, 81)]


async def test_who_waits_for_a_slot_or_product_waits_on_in_the_next_run(world: World, protocol: LoadedProtocol) -> None:
    """While somebody waits for a place, and then for product, many events come in; the waiting goes on where it was."""
    first, waiting = await begin(world, protocol, somebody(1), somebody(2), units=0)
    await load_bank(world, units=3)
    await in_line([first, waiting])
    await first.reach("treatment-check-infusion-2")
    for _ in range(12):
        await report(waiting, mild(waiting))
    await first.reach("imaging-week-8")
    await waiting.reach_fact("product_awaited")
    for _ in range(12):
        await report(waiting, mild(waiting))
    await load_bank(world, units=3, prefix="M")

    await waiting.reach("infusion-1")

    assert await runs_without_a_gap(waiting) > 2


async def test_an_end_that_waits_for_reports_goes_on_in_the_next_run(world: World, protocol: LoadedProtocol) -> None:
    """The end waits for an adjudication and three reports over several runs; the arm is told once, and units once."""
    case = await one(world, protocol)
    case.leave("sae", "susar", "dlt-adjudication")
    await case.reach("treatment-check-infusion-2")
    await report(case, life_threatening(case))
    await case.end(EndReason.WITHDRAWAL)
    await case.reach_fact("product_returned")
    for _ in range(12):
        await report(case, crs(case, grade=1))
    await case.send(await shown(case, "dlt-adjudication-AE-001.v1"))
    case.unanswered.clear()

    state = await case.reach_end()

    assert (state.disposition, state.dlt) == (Disposition.WITHDRAWN, DltStatus.DLT)
    assert await runs_without_a_gap(case) > 2
    assert all(row.reported_at is not None for row in state.reports.values())
    assert len(state.reports) == 3
    for kind in ("product_returned", "dlt_judged", "participation_ended"):
        assert len(await case.facts(kind)) == 1


async def test_a_further_cycle_in_many_runs_is_the_same_as_in_one(world: World, protocol: LoadedProtocol) -> None:
    """Two further cycles, one after a fever and one with a day of lymphodepletion missed: each step comes once."""
    case = await one(world, protocol, somebody().model_copy(update={"tumour_course": (1.0,)}))
    case.change("retreatment", accepted=True)
    case.change("treatment-check-cycle-1-lymphodepletion.1", temperature_celsius=38.4)
    case.leave("cycle-2-lymphodepletion-3")

    state = await case.reach_end()

    assert state.disposition is Disposition.COMPLETED
    assert state.infusion_steps[3:] == ("cycle-1-infusion-1", "cycle-2-infusion-1")
    assert state.skipped == ("cycle-2-lymphodepletion-3",)
    assert len(state.lymphodepletion_on) == 3 + 3 + 2
    assert await runs_without_a_gap(case) > len(state.closed) // 4
    kinds = [fact["kind"] for fact in await case.facts()]
    assert (kinds.count("cycle_started"), kinds.count("product_reserved")) == (2, 3)
    courses = [task for task in state.closed if "cytokine-course" in task]
    assert len(courses) == 3
    assert [fact["body"]["verdict"]["state"] for fact in await case.facts("cytokine_judged")] == ["give"]
    judged = [fact["body"]["verdict"]["state"] for fact in await case.facts("retreatment_judged")]
    assert judged == ["offer", "offer", "never"]
