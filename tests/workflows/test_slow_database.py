"""A database that is slow or away, or has lost something, holds up nobody, and follows the histories in the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from activities.projection import WAITING_AT_MOST, Projection

from client.trial_client import TrialClient
from history.reading import facts_in, fetch_runs
from history.replay import rows_of
from protocols.loader import LoadedProtocol
from simulation.site import World
from tests.workflows.safety_stories import mild, report
from tests.workflows.stories import Case, caught_up, eventually, one, task_row
from tests.workflows.test_zz_replay import replay_all


@asynccontextmanager
async def slow_facts(world: World) -> AsyncIterator[None]:
    """Let nobody write a fact meanwhile, and wait for nothing to be shown."""
    patient, world.client = world.client, TrialClient(world.client.temporal, world.client.study)
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE fact IN EXCLUSIVE MODE")
        yield
    world.client = patient


async def test_answers_are_taken_while_the_database_is_slow_and_shown_once_it_is_not(
    world: World, protocol: LoadedProtocol
) -> None:
    """An answer and many reports are on record before they can be shown; nothing is lost, doubled or overtaken."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    before = await case.facts()

    async with slow_facts(world):
        await case.send(task)
        for _ in range(WAITING_AT_MOST + 5):
            await report(case, mild(case))
        assert task["task_id"] in (await case.state()).closed
        assert len(await on_record(case)) > len(before) + WAITING_AT_MOST
        assert await case.facts() == before

    await case.reach("treatment-check-lymphodepletion")
    runs = await caught_up(world, case.workflow_id)
    facts, published = facts_in(runs), await case.facts()
    assert [fact.sequence for fact in facts] == [row["sequence"] for row in published] == [*range(1, len(facts) + 1)]
    assert [fact.fact["kind"] for fact in facts] == [row["kind"] for row in published]
    assert [done.difference for done in await replay_all(runs)] == [None]
    assert [row for row in rows_of(runs[0]) if row.what.startswith("  fact ") and "panel" in row.detail]


async def on_record(case: Case) -> list[str]:
    """Return the kinds of facts that the history holds."""
    runs = await fetch_runs(case.world.client.temporal, case.workflow_id)
    return [fact.fact["kind"] for fact in facts_in(runs)]


async def test_facts_that_the_database_lost_are_shown_again(world: World, protocol: LoadedProtocol) -> None:
    """The database comes back from a backup that lacks a task and what came after: the next publication brings all."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    before = await case.facts()
    opened = next(fact["sequence"] for fact in before if fact["body"].get("task", {}).get("id") == task["task_id"])
    await world.pool.execute("DELETE FROM fact WHERE workflow_id = $1 AND sequence >= $2", case.workflow_id, opened)
    await world.pool.execute("DELETE FROM task WHERE task_id = $1 AND study = $2", task["task_id"], world.client.study)

    await case.send(task)

    await case.reach("treatment-check-lymphodepletion")
    runs = await caught_up(world, case.workflow_id)
    published = await case.facts()
    assert [row["sequence"] for row in published] == list(range(1, len(published) + 1))
    assert [row["body"] for row in published[: len(before)]] == [row["body"] for row in before]
    assert (await task_row(world, task["task_id"]))["status"] == "answered"
    assert [done.difference for done in await replay_all(runs)] == [None]


async def test_a_read_model_that_was_dropped_is_made_again(
    world: World, protocol: LoadedProtocol, trial_projection: Projection
) -> None:
    """Facts and worklist of a whole study are lost: the histories bring all of it back, and nobody is notified anew."""
    case = await one(world, protocol)
    await case.send(await case.reach("infusion-1"))
    await case.reach("treatment-check-infusion-2")
    tables = ("fact", "task", "outbox")
    before = {table: await rows(world, table) for table in tables}
    for table in ("fact", "task"):
        await world.pool.execute(f"DELETE FROM {table} WHERE study = $1", world.client.study)  # noqa: S608

    assert await trial_projection.look_around(datetime.now(UTC), world.client.study) == 4

    await eventually(lambda: are_back(world, before), "facts, tasks and notices are as they were")


async def rows(world: World, table: str) -> list[dict[str, Any]]:
    """Return what a table has of the study."""
    found = await world.pool.fetch(f"SELECT * FROM {table} WHERE study = $1", world.client.study)  # noqa: S608
    return sorted((dict(row) for row in found), key=repr)


async def are_back(world: World, before: dict[str, list[dict[str, Any]]]) -> bool:
    """Tell whether the tables are as they were."""
    return {table: await rows(world, table) for table in before} == before
