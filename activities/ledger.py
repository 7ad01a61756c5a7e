"""Publishing facts: read model, worklist, outbox and custody of units, together in one transaction."""

from typing import Any

from pydantic import TypeAdapter
from temporalio import activity

from activities.database import Connection, Pool
from schemas import facts as f
from schemas import names
from schemas.answers import InfusionGiven
from schemas.base import site_of
from schemas.messages import Publication, Recorded
from schemas.task import Task

ANY_FACT: TypeAdapter[f.AnyFact] = TypeAdapter(f.AnyFact)

# Each statement does all that belongs together: round trips are most of what publishing costs.
INSERT_FACTS = """
INSERT INTO fact (workflow_id, run_id, study, owner, sequence, kind, at, who, role, why, body)
SELECT $1, $2, $3, $4, new.sequence, new.kind, new.at, new.who, new.role, new.why, new.body
FROM jsonb_to_recordset($5) AS new (
    sequence integer, kind text, at timestamptz, who text, role text, why text, body jsonb
)
ON CONFLICT (workflow_id, sequence) DO NOTHING
RETURNING sequence
"""
OPEN_TASK = """
WITH opened AS (
    INSERT INTO task (task_id, study, owner, workflow_id, kind, step, title, role, site, opened_at, due_at, escalate_at,
                      expires_at, detail, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'open')
)
INSERT INTO outbox (study, task_id, event, role, site, subject_line, body)
VALUES ($2, $1, 'opened', $8, $9, $15, $16)
ON CONFLICT ON CONSTRAINT notified_once DO NOTHING
"""
# An escalation goes to trial operations; a reminder to whoever is to act.
URGE_TASK = """
WITH urged AS (
    UPDATE task SET urgency = $3::text WHERE study = $1 AND task_id = $2 RETURNING *
)
INSERT INTO outbox (study, task_id, event, role, site, subject_line, body)
SELECT study, task_id, $3::text, CASE $3::text WHEN 'escalated' THEN 'operations' ELSE role END, site,
       format('[%s] %s: %s (%s)', study, owner, title, $3::text),
       format(E'%s\n\nTask %s of %s was %s: %s.\nAnswer: trial task complete %s', title, task_id, owner,
              $3::text, $4::text, task_id)
FROM urged
ON CONFLICT ON CONSTRAINT notified_once DO NOTHING
"""
# Whoever listens (a page, a dashboard, a virtual site) looks again; nothing depends on it.
MOVE_STANDING = """
WITH moved AS (
    INSERT INTO standing (workflow_id, study, owner, sequence, at, next_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (workflow_id) DO UPDATE
    SET sequence = excluded.sequence, at = excluded.at, next_at = excluded.next_at
    WHERE standing.sequence <= excluded.sequence
)
SELECT pg_notify('trial_facts', $1)
"""


class LedgerActivities:
    """The only writer of the worklist, the outbox and the read model."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    @activity.defn(name=names.PUBLISH_FACTS)
    async def publish_facts(self, publication: Publication) -> Recorded:
        """
        Publish facts in their order.

        A fact that is in the read model already was published by an earlier attempt, whole transaction and all: it
        is passed over, so that nothing is shown, notified or booked twice. If another fact has its number, then a
        worker died between publishing and the history: the history is right, and the read model is made to follow.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            for sequence in await _insert_new(connection, publication):
                fact = publication.facts[sequence - publication.first_sequence]
                await _project(connection, publication, sequence, fact)
            last = publication.first_sequence + len(publication.facts) - 1
            await connection.execute(
                MOVE_STANDING,
                publication.workflow_id,
                publication.study,
                publication.owner,
                last,
                publication.at,
                publication.next_at,
            )
        return Recorded(first_sequence=publication.first_sequence, facts=publication.facts)


async def _insert_new(connection: Connection, publication: Publication) -> list[int]:
    rows = [
        {
            "sequence": sequence,
            "kind": fact.kind,
            "at": fact.at.isoformat(),
            "who": fact.who,
            "role": fact.role,
            "why": fact.why,
            "body": fact.model_dump(mode="json", exclude_none=True, exclude={"at", "who", "role", "why", "kind"}),
        }
        for sequence, fact in enumerate(publication.facts, start=publication.first_sequence)
    ]
    if not rows:
        return []
    arguments = (publication.workflow_id, publication.run_id, publication.study, publication.owner, rows)
    new = await connection.fetch(INSERT_FACTS, *arguments)
    if len(new) < len(rows) and (wrong := await _first_other(connection, publication.workflow_id, rows)) is not None:
        await _forget_from(connection, publication, wrong)
        new = [*new, *await connection.fetch(INSERT_FACTS, *arguments)]
        return sorted({row["sequence"] for row in new if row["sequence"] >= wrong})
    return sorted(row["sequence"] for row in new)


async def _first_other(connection: Connection, workflow_id: str, rows: list[dict[str, Any]]) -> int | None:
    """Return the first number under which the read model has another fact than the history."""
    found = await connection.fetch(
        "SELECT sequence, kind, who, why, body FROM fact WHERE workflow_id = $1 AND sequence BETWEEN $2 AND $3",
        workflow_id,
        rows[0]["sequence"],
        rows[-1]["sequence"],
    )
    have = {row["sequence"]: row for row in found}
    same = ("kind", "who", "why")
    return next(
        (
            new["sequence"]
            for new in rows
            if any(have[new["sequence"]][key] != new[key] for key in same)
            or _timeless(have[new["sequence"]]["body"]) != _timeless(new["body"])
        ),
        None,
    )


def _timeless(body: dict[str, Any]) -> dict[str, Any]:
    # The same task, opened anew by a second attempt, is a second or so younger.
    task = body.get("task")
    return body if task is None else body | {"task": task["id"]}


async def _forget_from(connection: Connection, publication: Publication, sequence: int) -> None:
    """Take back what was published from a number on, and rebuild the workflow's part of the worklist without it."""
    workflow_id = publication.workflow_id
    await connection.execute("DELETE FROM fact WHERE workflow_id = $1 AND sequence >= $2", workflow_id, sequence)
    await connection.execute(
        "DELETE FROM custody WHERE workflow_id = $1 AND sequence >= $2 AND event = 'infused'", workflow_id, sequence
    )
    await connection.execute("DELETE FROM task WHERE workflow_id = $1", workflow_id)
    # What was taken back no longer stands for the workflow's latest: else its next deadline would stay the old one.
    await connection.execute("UPDATE standing SET sequence = $2 WHERE workflow_id = $1", workflow_id, sequence - 1)
    kept = await connection.fetch("SELECT * FROM fact WHERE workflow_id = $1 ORDER BY sequence", workflow_id)
    for row in kept:
        if row["kind"].startswith("task_"):
            common = {key: row[key] for key in ("kind", "at", "who", "role", "why")}
            await _project_task(connection, publication, ANY_FACT.validate_python(common | row["body"]))


async def _project(connection: Connection, publication: Publication, sequence: int, fact: f.AnyFact) -> None:
    await _project_task(connection, publication, fact)
    match fact:
        case f.TaskAnswered(answer=InfusionGiven() as given):
            await connection.execute("UPDATE reservation SET infused = true WHERE unit_id = $1", given.unit_id)
            await _book(connection, publication, sequence, "infused", (given.unit_id,), fact)
        case f.ProductReserved():
            await _book(connection, publication, sequence, "reserved", fact.units, fact)
        case _:
            return


async def _project_task(connection: Connection, publication: Publication, fact: f.AnyFact) -> None:
    match fact:
        case f.TaskOpened():
            await _open(connection, publication, fact.task)
        case f.TaskReminded():
            await connection.execute(URGE_TASK, publication.study, fact.task_id, "reminded", fact.why)
        case f.TaskEscalated():
            await connection.execute(URGE_TASK, publication.study, fact.task_id, "escalated", fact.why)
        case f.TaskClosed():
            await _close(connection, publication, fact.task_id, str(fact.end), fact)
        case f.TaskAnswered():
            await _close(connection, publication, fact.task_id, "answered", fact)
        case _:
            return


async def _open(connection: Connection, publication: Publication, task: Task) -> None:
    site = site_of(publication.owner) if publication.workflow_id.startswith("participant/") else None
    await connection.execute(
        OPEN_TASK,
        task.id,
        publication.study,
        publication.owner,
        publication.workflow_id,
        str(task.kind),
        task.step,
        task.title,
        str(task.role),
        site,
        task.opened_at,
        task.due_at,
        task.escalate_at,
        task.expires_at,
        task.detail,
        f"[{publication.study}] {publication.owner}: {task.title} (opened)",
        f"{task.title}\n\nTask {task.id} of {publication.owner} is due {task.due_at:%Y-%m-%d}.\n"
        f"Answer: trial task complete {task.id}",
    )


async def _close(connection: Connection, publication: Publication, task_id: str, status: str, fact: f.AnyFact) -> None:
    await connection.execute(
        "UPDATE task SET status = $3, closed_at = $4 WHERE study = $1 AND task_id = $2",
        publication.study,
        task_id,
        status,
        fact.at,
    )


async def _book(
    connection: Connection, publication: Publication, sequence: int, event: str, units: tuple[str, ...], fact: f.AnyFact
) -> None:
    await connection.executemany(
        "INSERT INTO custody (unit_id, workflow_id, sequence, event, at, who, why) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT DO NOTHING",
        [(unit, publication.workflow_id, sequence, event, fact.at, fact.who, fact.why) for unit in units],
    )
