"""Reading the read model: facts, tasks, protocols. Nothing here writes, and nothing here imports Temporal."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg

from activities.database import Database
from activities.statements import statements

SQL = statements("read_model")
POLL_SECONDS = 0.02

Fact = dict[str, Any]
"""A fact as its model's JSON: kind, at, who, role, why and what its kind adds."""


class NotPublishedError(Exception):
    """The read model does not have a fact yet that its workflow has recorded."""


async def open_tasks(
    pool: Database, study: str, *, role: str | None = None, site: str | None = None
) -> list[dict[str, Any]]:
    """Return open tasks, the earliest due first."""
    return [dict(row) for row in await pool.fetch(SQL["open_tasks"], study, role, site)]


async def tasks_of(pool: Database, workflow_id: str) -> list[dict[str, Any]]:
    """Return a workflow's open tasks in the order of their ids."""
    return [dict(row) for row in await pool.fetch(SQL["tasks_of"], workflow_id)]


async def find_task(pool: Database, study: str, task_id: str) -> dict[str, Any] | None:
    """Return a task, open or closed, or None."""
    row = await pool.fetchrow(SQL["find_task"], study, task_id)
    return dict(row) if row else None


async def task_sites(pool: Database, study: str) -> list[str]:
    """Return the sites for which the study ever had a task."""
    return [row["site"] for row in await pool.fetch(SQL["task_sites"], study)]


async def fact_rows(pool: Database, workflow_id: str) -> list[dict[str, Any]]:
    """Return a workflow's facts as rows of the table, in order."""
    return [dict(row) for row in await pool.fetch(SQL["fact_rows"], workflow_id)]


async def facts_of(pool: Database, workflow_id: str) -> list[Fact]:
    """Return a workflow's facts in order, the first of which has the number 1."""
    return [fact_of_row(row) for row in await fact_rows(pool, workflow_id)]


async def facts_of_all(pool: Database, study: str, kind: str) -> dict[str, list[Fact]]:
    """
    Return the facts of all workflows of one kind, by owner.

    Args:
        pool: the database.
        study: the study's id.
        kind: 'participant' or 'arm', as in the ids of their workflows.
    """
    by_owner: dict[str, list[Fact]] = {}
    for row in await pool.fetch(SQL["facts_of_all"], study, f"{kind}/{study}/"):
        by_owner.setdefault(row["owner"], []).append(fact_of_row(dict(row)))
    return by_owner


def fact_of_row(row: Mapping[str, Any]) -> Fact:
    """Return the fact that a row of the table holds."""
    return {**row["body"], **{name: row[name] for name in ("kind", "at", "who", "role", "why")}}


async def studies(pool: Database) -> list[str]:
    """Return the studies that were ever started."""
    return [row["study"] for row in await pool.fetch(SQL["studies"])]


async def owners(pool: Database, study: str, kind: str) -> list[str]:
    """Return the participants or arms of a study; `kind` is 'participant' or 'arm'."""
    return [row["owner"] for row in await pool.fetch(SQL["owners"], study, f"{kind}/{study}/")]


async def protocol_content(pool: Database, sha256: str) -> dict[str, Any] | None:
    """Return a registered protocol as its model's JSON, or None."""
    content: dict[str, Any] | None = await pool.fetchval(SQL["protocol_content"], sha256)
    return content


async def kinds_of(pool: Database, workflow_id: str) -> set[str]:
    """Return the kinds of a workflow's facts."""
    return {row["kind"] for row in await pool.fetch(SQL["kinds_of"], workflow_id)}


async def fact_count(pool: Database, study: str) -> int:
    """Return how many facts all workflows of a study have published."""
    count: int = await pool.fetchval(SQL["fact_count"], study)
    return count


async def latest_number(pool: Database, workflow_id: str) -> int:
    """Return the number of a workflow's latest fact; 0 when it has none."""
    latest: int = await pool.fetchval(SQL["latest_number"], workflow_id)
    return latest


async def wait_for_fact(pool: Database, workflow_id: str, number: int, *, seconds: float) -> None:
    """
    Wait until a workflow's fact has been published.

    Raises:
        NotPublishedError: it has not been after so many seconds.
    """
    try:
        async with asyncio.timeout(seconds):
            while await latest_number(pool, workflow_id) < number:  # noqa: ASYNC110 - the fact is another process's
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise NotPublishedError(
            f"fact {number} of {workflow_id} is recorded, but the worklist and the read model do not show it after "
            f"{seconds:g} s: is the worker running? `trial status` says"
        ) from None


async def waiting_publications(pool: Database) -> list[dict[str, Any]]:
    """Return the publications that wait for a rebuild: the read model has other facts than their histories."""
    return [dict(row) for row in await pool.fetch(SQL["waiting_publications"])]


async def bank_summary(pool: Database) -> list[dict[str, Any]]:
    """Count units by product: free, reserved, infused."""
    return [dict(row) for row in await pool.fetch(SQL["bank_summary"])]


async def custody_of(pool: Database, unit_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return what became of units, in order."""
    return [dict(row) for row in await pool.fetch(SQL["custody_of"], list(unit_ids))]


async def custody_of_study(pool: Database, study: str) -> list[dict[str, Any]]:
    """Return the whole custody, in order, of every unit that was ever reserved in a study."""
    return [dict(row) for row in await pool.fetch(SQL["custody_of_study"], study)]


async def notices(pool: Database, study: str) -> list[dict[str, Any]]:
    """Return the notices of a study's tasks, delivered or not, in order."""
    return [dict(row) for row in await pool.fetch(SQL["notices"], study)]


async def listen(dsn: str, received: Callable[[str], None]) -> "asyncpg.Connection[asyncpg.Record]":
    """Call `received` with a workflow's id whenever it has published; until the returned connection is closed."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    await connection.add_listener("trial_facts", lambda *notice: received(str(notice[3])))
    return connection
