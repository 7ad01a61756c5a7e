"""Crashes: a worker that is killed, or fails right after a commit, leaves nothing undone and nothing done twice."""

import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.database import open_pool
from activities.read_model import listen
from client.converter import DATA_CONVERTER
from client.trial_client import RefusedError, TrialClient
from deploy.migrate import migrate
from deploy.processes import find_process, start_detached
from deploy.services import embedded_services
from deploy.stack import WORKER, down, environment, up
from deploy.stack_file import Process, Stack
from deploy.temporal_client import connect_temporal
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition
from simulation.clock import fast_forward
from simulation.world import News, World
from tests.conftest import empty_bank
from tests.history.replaying import replay_all
from tests.workflows.patient_client import PatientClient
from tests.workflows.stories import Case, begin, caught_up, eventually, one, somebody, units_by_state, without_stagger
from worker import make_worker

IDLE = ("sleep", "infinity")
MIDWAY = ("biopsy-1", "lymphodepletion-2", "infusion-1", "treatment-check-infusion-3")


@pytest.fixture(scope="module")
def own_stack(stack: Stack) -> Iterator[Stack]:
    """A second stack, whose worker each test starts and stops by itself."""
    with tempfile.TemporaryDirectory(prefix="trial-crash-") as folder:
        data = Path(folder)
        yield up(data, ui=False, virtual_time=True, worker=IDLE)
        down(data)


@pytest.fixture
async def own_world(own_stack: Stack) -> AsyncIterator[World]:
    """A world on the second stack, for one study of its own."""
    client = await connect_temporal(embedded_services(own_stack.data), DATA_CONVERTER)
    pool = await open_pool(own_stack.database_url)
    await migrate(pool)
    await empty_bank(pool)
    news = News()
    connection = await listen(own_stack.database_url, news.receive)
    yield World(PatientClient(client, f"study-{uuid4().hex[:8]}"), pool, news)
    await connection.close()
    await pool.close()


@pytest.fixture
def workers(own_stack: Stack) -> Iterator["Workers"]:
    """Start and kill worker processes; none outlives its test."""
    workers = Workers(own_stack)
    yield workers
    workers.kill()


class Workers:
    """Worker processes on the second stack, one at a time."""

    def __init__(self, stack: Stack) -> None:
        """None runs yet."""
        self._stack = stack
        self._running: list[Process] = []

    def start(self, *command: str) -> None:
        """Start the worker as `trial up` does, or another command."""
        surroundings = dict(os.environ) | environment(self._stack)
        log = self._stack.data / "logs" / "worker.log"
        self._running.append(
            start_detached(command or WORKER, log=log, environment=surroundings, folder=self._stack.data)
        )

    def kill(self) -> None:
        """Kill by -9, in the middle of whatever is under way."""
        for process in self._running:
            if running := find_process(process):
                os.kill(running.pid, signal.SIGKILL)
                running.wait(10)
        self._running.clear()


async def assert_nothing_lost_or_doubled(case: Case) -> None:
    """Compare what the event history says with what people were shown: the same facts, every step once."""
    runs = await caught_up(case.world, case.workflow_id)
    recorded = [fact.fact | {"sequence": fact.sequence} for fact in facts_in(runs)]
    published = await case.facts()
    assert [row["sequence"] for row in published] == list(range(1, len(published) + 1))
    assert [(row["sequence"], row["kind"]) for row in published] == [(f["sequence"], f["kind"]) for f in recorded]
    opened = [row["body"]["task"] for row in published if row["kind"] == "task_opened"]
    assert len({task["id"] for task in opened}) == len({task["step"] for task in opened}) == len(opened)
    shown = await case.world.pool.fetch("SELECT task_id, status FROM task WHERE workflow_id = $1", case.workflow_id)
    state = await case.state()
    ended = {task_id: end.value for task_id, end in state.closed.items()} | dict.fromkeys(state.tasks, "open")
    assert {row["task_id"]: row["status"] for row in shown} == ended


def _of(case: Case) -> tuple[Any, str]:
    return case.world.client.temporal, case.workflow_id


async def test_a_worker_killed_with_several_participants_under_way_loses_and_doubles_nothing(
    own_world: World, workers: Workers, protocol: LoadedProtocol
) -> None:
    """Four participants are at four points of the schedule when the worker is killed: another one completes them."""
    workers.start()
    rules = without_stagger(protocol)
    cases = await begin(own_world, rules, *(somebody(number) for number in range(1, 5)))
    cases[0].leave("biopsy")
    await asyncio.gather(*(case.reach(step) for case, step in zip(cases, MIDWAY, strict=True)))
    cases[0].unanswered.clear()

    under_way = [asyncio.create_task(case.reach_fact("dlt_judged")) for case in cases[1:]]
    await eventually(lambda: _is_busy(own_world), "the schedule moves on")
    workers.kill()
    workers.start()
    await asyncio.gather(*under_way)
    states = await asyncio.gather(*(case.reach_end() for case in cases[1:]))

    assert {state.disposition for state in states} == {Disposition.COMPLETED}
    for case, state in zip(cases[1:], states, strict=True):
        await assert_nothing_lost_or_doubled(case)
        assert len(state.infusions) == 3
    custody = await own_world.pool.fetch("SELECT unit_id, event FROM custody WHERE event = 'infused'")
    assert set(Counter(row["unit_id"] for row in custody).values()) == {1}
    assert len(custody) == 9
    await assert_nothing_lost_or_doubled(cases[0])


async def _is_busy(world: World) -> bool:
    count = await world.pool.fetchval(
        "SELECT count(*) FROM fact WHERE study = $1 AND kind = 'treatment_checked'", world.client.study
    )
    return bool(count >= 6)


async def test_an_answer_that_arrives_while_the_worker_dies_after_a_publication_is_not_lost(
    own_world: World, workers: Workers, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """
    A reminder is published, and the worker is killed before the server knows of it; meanwhile the answer arrives.

    The next worker publishes the reminder once more, which changes nothing, and then the answer.
    """
    sign = tmp_path / "halted"
    workers.start(sys.executable, "-m", "tests.workflows.halting_worker", "after", "task_reminded", str(sign))
    case = await one(own_world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    await case.reach_fact("task_reminded")
    await eventually(lambda: _exists(sign), "the worker has halted after the commit")

    workers.kill()
    workers.start()
    await case.send(task)

    await case.reach("treatment-check-lymphodepletion")
    await assert_nothing_lost_or_doubled(case)


async def test_what_the_history_holds_is_shown_by_the_next_worker(
    own_world: World, workers: Workers, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """A check of the criteria is in the history, and the worker is killed before it is published: the next one does."""
    sign = tmp_path / "halted"
    workers.start(sys.executable, "-m", "tests.workflows.halting_worker", "before", "treatment_checked", str(sign))
    case = await one(impatient(own_world), protocol)
    task = await case.reach("treatment-check-lymphodepletion")
    await case.send(task)
    await eventually(lambda: _exists(sign), "the worker has halted before the commit")
    assert "treatment_checked" in {fact.fact["kind"] for fact in facts_in(await fetch_runs(*_of(case)))}

    workers.kill()
    assert not await case.facts("treatment_checked")
    workers.start()

    await eventually(lambda: _is_shown(case, "treatment_checked"), "the check is shown")
    await case.reach("infusion-1")
    await assert_nothing_lost_or_doubled(case)


def impatient(world: World) -> World:
    """Return the world with a client that does not wait for what follows a command to be published."""
    world.client = TrialClient(world.client.temporal, world.client.study)
    return world


async def _is_shown(case: Case, kind: str) -> bool:
    return bool(await case.facts(kind))


async def test_a_unit_infused_as_its_window_closes_is_not_free_for_another(
    own_world: World, workers: Workers, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """
    The last infusion's window closes, its unit is to return to the bank, and the worker is killed.

    The answer that arrives meanwhile is refused, or counts as an infusion: but then the unit is not in the bank.
    """
    sign = tmp_path / "halted"
    workers.start(sys.executable, "-m", "tests.workflows.halting_worker", "after", "product_returned", str(sign))
    case = await one(own_world, protocol)
    case.leave("infusion-3")
    task = await case.reach("infusion-3")
    await case.reach_fact("product_returned")
    await eventually(lambda: _exists(sign), "the worker has halted after the commit")

    workers.kill()
    workers.start()
    with suppress(RefusedError):
        await case.send(task)

    await case.reach("safety-day-28")
    await assert_nothing_lost_or_doubled(case)
    state = await case.state()
    assert await units_by_state(own_world, case.subject) == (0, len(state.infusions))


async def test_timers_that_fire_while_there_is_no_worker_are_met_by_the_next_one(
    own_world: World, workers: Workers, protocol: LoadedProtocol
) -> None:
    """Time passes while there is no worker, and people ask Temporal's page: the next worker goes on as it should."""
    workers.start()
    cases = await begin(own_world, without_stagger(protocol), *(somebody(number) for number in range(1, 4)))
    for case in cases:
        await case.reach("treatment-check-lymphodepletion")
        await case.play(lambda seen: not seen.tasks and seen.is_at_rest, "nothing is left to do for today")

    workers.kill()
    client = own_world.client.temporal
    asked = [
        asyncio.create_task(client.get_workflow_handle(case.workflow_id).query("__temporal_workflow_metadata"))
        for case in cases
        for _ in range(2)
    ]
    for case in cases:
        await case.facts()
        await fast_forward(client, case.workflow_id, timedelta(days=4))
    workers.start()
    await asyncio.gather(*asked, return_exceptions=True)

    for case in cases:
        await case.reach("infusion-1")
        await assert_nothing_lost_or_doubled(case)
        runs = await caught_up(own_world, case.workflow_id)
        assert [done.difference for done in await replay_all(runs)] == [None]


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


@dataclass
class FailAfter(Interceptor):
    """Fails each activity of these kinds once after it has done its work, and counts by kind."""

    activities: set[str]
    failed: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See base class."""
        return _FailingActivity(next, self)


class _FailingActivity(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, plan: FailAfter) -> None:
        super().__init__(inner)
        self._plan = plan

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401
        """See base class."""
        result = await super().execute_activity(input)
        name = input.fn.__name__
        arguments = repr(input.args)
        if name in self._plan.activities and arguments not in self._plan.seen:
            self._plan.seen.add(arguments)
            self._plan.failed[name] += 1
            raise ConnectionError("the connection broke after the commit")
        return result


async def test_activities_that_fail_after_their_commit_do_nothing_twice(
    own_world: World, protocol: LoadedProtocol
) -> None:
    """Every activity is tried again after it has been done: units, facts, tasks and notices stay single."""
    plan = FailAfter({"publish_facts", "reserve_units", "book_infusion", "return_units"})
    async with make_worker(own_world.client.temporal, own_world.pool, interceptors=[plan]):
        case = await one(own_world, protocol)
        await case.send(await case.reach("infusion-1"))
        await case.reach("treatment-check-infusion-2")
        await case.end(EndReason.WITHDRAWAL)
        await case.reach_end()

        assert plan.failed["publish_facts"] > 10
        assert {name: plan.failed[name] for name in ("reserve_units", "book_infusion", "return_units")} == {
            "reserve_units": 1,
            "book_infusion": 1,
            "return_units": 1,
        }
        await assert_nothing_lost_or_doubled(case)
        events = await own_world.pool.fetch(
            "SELECT event, count(*) FROM custody WHERE subject = $1 GROUP BY event", case.subject
        )
        assert {row["event"]: row["count"] for row in events} == {"reserved": 3, "infused": 1, "returned": 2}
        assert await units_by_state(own_world, case.subject) == (0, 1)
