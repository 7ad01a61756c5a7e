"""Reading what activities have written: worklist, timelines, standings. Nothing here writes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from activities.database import Pool


async def open_tasks(
    pool: Pool, study: str, *, role: str | None = None, site: str | None = None
) -> list[dict[str, Any]]:
    """Return open tasks, the earliest due first."""
    rows = await pool.fetch(
        "SELECT * FROM task WHERE study = $1 AND status = 'open' AND ($2::text IS NULL OR role = $2) "
        "AND ($3::text IS NULL OR site = $3) ORDER BY due_at, task_id",
        study,
        role,
        site,
    )
    return [dict(row) for row in rows]


async def find_task(pool: Pool, study: str, task_id: str) -> dict[str, Any] | None:
    """Return a task, open or closed, or None."""
    row = await pool.fetchrow("SELECT * FROM task WHERE study = $1 AND task_id = $2", study, task_id)
    return dict(row) if row else None


async def facts_of(pool: Pool, workflow_id: str) -> list[dict[str, Any]]:
    """Return a workflow's facts in order."""
    rows = await pool.fetch("SELECT * FROM fact WHERE workflow_id = $1 ORDER BY sequence", workflow_id)
    return [dict(row) for row in rows]


async def bank_summary(pool: Pool) -> list[dict[str, Any]]:
    """Count units by product: free, reserved, infused."""
    rows = await pool.fetch(
        "SELECT array_to_string(antigens, '+') AS product, quality, million_cells, "
        "count(*) FILTER (WHERE r.unit_id IS NULL) AS free, "
        "count(*) FILTER (WHERE r.unit_id IS NOT NULL AND NOT r.infused) AS reserved, "
        "count(*) FILTER (WHERE r.infused) AS infused, min(expires_on) AS first_expiry "
        "FROM unit LEFT JOIN reservation r USING (unit_id) GROUP BY 1, 2, 3 ORDER BY 1, 3, 2"
    )
    return [dict(row) for row in rows]


async def listen(dsn: str, heard: Callable[[str], None]) -> "asyncpg.Connection[asyncpg.Record]":
    """Call `heard` with a workflow's id whenever it has published; until the returned connection is closed."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    await connection.add_listener("trial_facts", lambda *told: heard(str(told[3])))
    return connection


class Seen(NamedTuple):
    """What a site sees of one participant at one moment."""

    at: datetime
    next_at: datetime | None
    stage: str
    tasks: Sequence[Mapping[str, Any]]


LOOK = """
SELECT standing.at, standing.next_at,
       (SELECT array_agg(DISTINCT kind) FROM fact WHERE workflow_id = $1
        AND kind IN ('assigned', 'participation_ended')) AS kinds,
       (SELECT jsonb_agg(task ORDER BY task_id) FROM task WHERE workflow_id = $1 AND status = 'open') AS tasks
FROM standing WHERE workflow_id = $1
"""


async def look(pool: Pool, workflow_id: str) -> Seen | None:
    """Read worklist and standing in one statement: else an answered task's reminder could pass for what is next."""
    row = await pool.fetchrow(LOOK, workflow_id)
    if row is None:
        return None
    kinds = row["kinds"] or ()
    stage = "ended" if "participation_ended" in kinds else "assigned" if "assigned" in kinds else "screening"
    return Seen(row["at"], row["next_at"], stage, row["tasks"] or ())
