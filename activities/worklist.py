"""Reading what activities have written: worklist, timelines, standings. Nothing here writes."""

from typing import Any

import asyncpg


async def open_tasks(pool: asyncpg.Pool, study: str, *, role: str | None = None, site: str | None = None) -> list[dict[str, Any]]:
    """Return open tasks, the earliest due first."""
    rows = await pool.fetch(
        "SELECT * FROM task WHERE study = $1 AND status = 'open' AND ($2::text IS NULL OR role = $2) "
        "AND ($3::text IS NULL OR site = $3) ORDER BY due_at, task_id",
        study,
        role,
        site,
    )
    return [dict(row) for row in rows]


async def open_tasks_of(pool: asyncpg.Pool, workflow_id: str) -> list[dict[str, Any]]:
    """Return one workflow's open tasks in the order of their ids."""
    rows = await pool.fetch("SELECT * FROM task WHERE workflow_id = $1 AND status = 'open' ORDER BY task_id", workflow_id)
    return [dict(row) for row in rows]


async def find_task(pool: asyncpg.Pool, study: str, task_id: str) -> dict[str, Any] | None:
    """Return a task, open or closed, or None."""
    row = await pool.fetchrow("SELECT * FROM task WHERE study = $1 AND task_id = $2", study, task_id)
    return dict(row) if row else None


async def facts_of(pool: asyncpg.Pool, workflow_id: str) -> list[dict[str, Any]]:
    """Return a workflow's facts in order."""
    rows = await pool.fetch("SELECT * FROM fact WHERE workflow_id = $1 ORDER BY sequence", workflow_id)
    return [dict(row) for row in rows]


async def bank_summary(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """Count units by product: free, reserved, infused."""
    rows = await pool.fetch(
        "SELECT array_to_string(antigens, '+') AS product, quality, million_cells, "
        "count(*) FILTER (WHERE r.unit_id IS NULL) AS free, "
        "count(*) FILTER (WHERE r.unit_id IS NOT NULL AND NOT r.infused) AS reserved, "
        "count(*) FILTER (WHERE r.infused) AS infused, min(expires_on) AS first_expiry "
        "FROM unit LEFT JOIN reservation r USING (unit_id) GROUP BY 1, 2, 3 ORDER BY 1, 3, 2"
    )
    return [dict(row) for row in rows]
