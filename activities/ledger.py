"""Publishing facts: read model, worklist, outbox and custody of units, together in one transaction."""

from temporalio import activity

from activities.database import Connection, Pool
from schemas import facts as f
from schemas import names
from schemas.answers import InfusionGiven
from schemas.messages import Publication, Recorded
from schemas.task import Task

INSERT_FACT = """
INSERT INTO fact (workflow_id, sequence, study, owner, run_id, kind, at, who, role, why, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (workflow_id, sequence) DO NOTHING
"""
INSERT_TASK = """
INSERT INTO task (task_id, study, owner, workflow_id, kind, step, title, role, site, opened_at, due_at, escalate_at,
                  expires_at, detail, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'open')
"""
INSERT_NOTICE = """
INSERT INTO outbox (study, task_id, event, role, site, subject_line, body)
SELECT study, task_id, $3, $4, site, $5, $6 FROM task WHERE study = $1 AND task_id = $2
"""
UPSERT_STANDING = """
INSERT INTO standing (workflow_id, study, owner, sequence, at, next_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (workflow_id) DO UPDATE
SET sequence = excluded.sequence, at = excluded.at, next_at = excluded.next_at
WHERE standing.sequence <= excluded.sequence
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
        is passed over, so that nothing is shown, notified or booked twice.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            for sequence, fact in enumerate(publication.facts, start=publication.first_sequence):
                if await _insert_fact(connection, publication, sequence, fact):
                    await _project(connection, publication, sequence, fact)
            last = publication.first_sequence + len(publication.facts) - 1
            await connection.execute(
                UPSERT_STANDING,
                publication.workflow_id,
                publication.study,
                publication.owner,
                last,
                publication.at,
                publication.next_at,
            )
            # Whoever listens (a page, a dashboard, a virtual site) looks again; nothing depends on it.
            await connection.execute("SELECT pg_notify('trial_facts', $1)", publication.workflow_id)
        return Recorded(first_sequence=publication.first_sequence, facts=publication.facts)


async def _insert_fact(connection: Connection, publication: Publication, sequence: int, fact: f.AnyFact) -> bool:
    body = fact.model_dump(mode="json", exclude_none=True, exclude={"at", "who", "role", "why", "kind"})
    status = await connection.execute(
        INSERT_FACT,
        publication.workflow_id,
        sequence,
        publication.study,
        publication.owner,
        publication.run_id,
        fact.kind,
        fact.at,
        fact.who,
        str(fact.role),
        fact.why,
        body,
    )
    inserted: bool = status.endswith(" 1")
    return inserted


async def _project(connection: Connection, publication: Publication, sequence: int, fact: f.AnyFact) -> None:
    match fact:
        case f.TaskOpened():
            await _open(connection, publication, fact.task)
        case f.TaskReminded():
            await _urge(connection, publication, fact.task_id, "reminded", fact.why)
        case f.TaskEscalated():
            await _urge(connection, publication, fact.task_id, "escalated", fact.why)
        case f.TaskClosed():
            await _close(connection, publication, fact.task_id, str(fact.end), fact)
        case f.TaskAnswered():
            await _close(connection, publication, fact.task_id, "answered", fact)
            if isinstance(fact.answer, InfusionGiven):
                unit = fact.answer.unit_id
                await connection.execute("UPDATE reservation SET infused = true WHERE unit_id = $1", unit)
                await _book(connection, publication, sequence, "infused", (unit,), fact)
        case f.ProductReserved():
            await _book(connection, publication, sequence, "reserved", fact.units, fact)
        case f.ProductReturned():
            await connection.execute(
                "DELETE FROM reservation WHERE unit_id = ANY($1) AND study = $2 AND subject = $3 AND NOT infused",
                list(fact.units),
                publication.study,
                publication.owner,
            )
            await _book(connection, publication, sequence, "returned", fact.units, fact)
        case _:
            return


async def _open(connection: Connection, publication: Publication, task: Task) -> None:
    site = publication.owner.split("-")[0] if publication.workflow_id.startswith("participant/") else None
    await connection.execute(
        INSERT_TASK,
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
    )
    await _notify(connection, publication, task.id, "opened", task.title, f"due {task.due_at:%Y-%m-%d}")


async def _urge(connection: Connection, publication: Publication, task_id: str, event: str, why: str) -> None:
    title = await connection.fetchval(
        "UPDATE task SET urgency = $3 WHERE study = $1 AND task_id = $2 RETURNING title",
        publication.study,
        task_id,
        event,
    )
    await _notify(connection, publication, task_id, event, title or task_id, why)


async def _notify(
    connection: Connection, publication: Publication, task_id: str, event: str, title: str, why: str
) -> None:
    # An escalation goes to trial operations; the others to whoever is to act.
    role = (
        "operations"
        if event == "escalated"
        else await connection.fetchval(
            "SELECT role FROM task WHERE study = $1 AND task_id = $2", publication.study, task_id
        )
    )
    await connection.execute(
        INSERT_NOTICE,
        publication.study,
        task_id,
        event,
        role,
        f"[{publication.study}] {publication.owner}: {title} ({event})",
        f"{title}\n\nTask {task_id} of {publication.owner} was {event}: {why}.\nAnswer: trial task complete {task_id}",
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
        "INSERT INTO custody (unit_id, workflow_id, sequence, event, at, who, why) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [(unit, publication.workflow_id, sequence, event, fact.at, fact.who, fact.why) for unit in units],
    )
