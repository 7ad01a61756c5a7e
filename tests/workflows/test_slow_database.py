"""A database that is slow or away holds nothing up but what needs it, and every history still replays."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from protocols.loader import LoadedProtocol
from schemas import names
from simulation.site import World
from tests.workflows.stories import Case, caught_up, eventually, one, task_row
from tests.workflows.test_zz_replay import replay_all
from workflows.audit import facts_in, fetch_runs, rows_of


@asynccontextmanager
async def slow_facts(world: World) -> AsyncIterator[None]:
    """Let nobody write a fact meanwhile."""
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE fact IN EXCLUSIVE MODE")
        yield


async def runs_of(case: Case) -> list[WorkflowHistory]:
    """Fetch a participant's history."""
    return await fetch_runs(case.world.doors.client, case.workflow_id)


def left_to_activities(runs: list[WorkflowHistory]) -> int:
    """Count the publications that an activity made, because the workflow task could not wait for them."""
    kinds = Counter(
        event.activity_task_scheduled_event_attributes.activity_type.name
        for run in runs
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    return kinds[names.PUBLISH_FACTS]


async def test_an_answer_is_taken_while_the_database_is_slow_and_shown_once_it_is_not(
    world: World, protocol: LoadedProtocol
) -> None:
    """The answer is on record before the worklist can show it; nothing is lost, doubled, or told in another order."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")

    async with slow_facts(world):
        await case.send(task)
        assert task["task_id"] in (await case.state()).closed
        await eventually(lambda: _is_left_to_an_activity(case), "the publication has left the workflow task")
        assert len(facts_in(await runs_of(case))) == len(await case.facts())

    await case.reach("treatment-check-lymphodepletion")
    runs = await caught_up(world, case.workflow_id)
    facts, published = facts_in(runs), await case.facts()
    assert [fact.sequence for fact in facts] == [row["sequence"] for row in published] == [*range(1, len(facts) + 1)]
    assert [fact.fact["kind"] for fact in facts] == [row["kind"] for row in published]
    assert [done.difference for done in await replay_all(runs)] == [None]
    assert [row for row in rows_of(runs[0]) if row.what.startswith("  fact ") and "panel" in row.detail]


async def _is_left_to_an_activity(case: Case) -> bool:
    return left_to_activities(await runs_of(case)) == 1


async def test_facts_that_the_database_lost_are_published_once_more(world: World, protocol: LoadedProtocol) -> None:
    """The database comes back from a backup that lacks a task and what came after: the next publication brings all."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    before = await case.facts()
    opened = next(fact["sequence"] for fact in before if fact["body"].get("task", {}).get("id") == task["task_id"])
    await world.pool.execute("DELETE FROM fact WHERE workflow_id = $1 AND sequence >= $2", case.workflow_id, opened)
    await world.pool.execute("DELETE FROM task WHERE task_id = $1 AND study = $2", task["task_id"], world.doors.study)

    await case.send(task)

    await case.reach("treatment-check-lymphodepletion")
    runs = await caught_up(world, case.workflow_id)
    published = await case.facts()
    assert [row["sequence"] for row in published] == list(range(1, len(published) + 1))
    assert [row["body"] for row in published[: len(before)]] == [row["body"] for row in before]
    assert (await task_row(world, task["task_id"]))["status"] == "answered"
    assert [done.difference for done in await replay_all(runs)] == [None]
