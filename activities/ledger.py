"""Publishing facts: read model, worklist, outbox and custody of units, together in one transaction."""

import asyncio
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.database import Connection, Pool
from schemas import names
from schemas.base import site_of
from schemas.messages import Publication, Recorded, SlowPublication

# One statement for all that follows from facts, since round trips are most of what publishing costs. Only what is new
# has effects: a fact that is there already had them. $5 is the participant's site, $6 the facts.
PUBLISH = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset($6) AS given (
        sequence integer, kind text, at timestamptz, who text, role text, why text, body jsonb
    )
), turn AS (
    SELECT $11 OR $10 = 1 OR EXISTS (SELECT FROM fact WHERE workflow_id = $1 AND sequence = $10 - 1) AS has_come
), new AS (
    INSERT INTO fact (workflow_id, run_id, study, owner, sequence, kind, at, who, role, why, body)
    SELECT $1, $2, $3, $4, sequence, kind, at, who, role, why, body FROM given, turn WHERE turn.has_come
    ON CONFLICT (workflow_id, sequence) DO NOTHING
    RETURNING sequence, kind, at, who, why, body
), opened AS (
    INSERT INTO task (task_id, study, owner, workflow_id, kind, step, title, role, site, opened_at, due_at, escalate_at,
                      expires_at, detail, status)
    SELECT task.id, $3, $4, $1, task.kind, task.step, task.title, task.role, $5, task.opened_at, task.due_at,
           task.escalate_at, task.expires_at, coalesce(task.detail, '{}'), 'open'
    FROM new, jsonb_to_record(new.body -> 'task') AS task (
        id text, kind text, step text, title text, role text, opened_at timestamptz, due_at timestamptz,
        escalate_at timestamptz, expires_at timestamptz, detail jsonb
    )
    WHERE new.kind = 'task_opened'
    RETURNING task_id, role, title, due_at
), urged AS (
    UPDATE task SET urgency = substr(new.kind, 6)
    FROM new
    WHERE new.kind IN ('task_reminded', 'task_escalated') AND task.study = $3 AND task.task_id = new.body ->> 'task_id'
    RETURNING task.task_id, task.role, task.title, urgency AS event, new.why
), closed AS (
    UPDATE task SET status = coalesce(new.body ->> 'end', 'answered'), closed_at = new.at
    FROM new
    WHERE new.kind IN ('task_closed', 'task_answered') AND task.study = $3 AND task.task_id = new.body ->> 'task_id'
), told AS (
    INSERT INTO outbox (study, task_id, event, role, site, subject_line, body)
    SELECT $3, task_id, 'opened', role, $5, format('[%s] %s: %s (opened)', $3, $4, title),
           format(E'%s\\n\\nTask %s of %s is due %s.\\nAnswer: trial task complete %s', title, task_id, $4,
                  to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), task_id)
    FROM opened
    UNION ALL
    -- An escalation goes to trial operations; a reminder to whoever is to act.
    SELECT $3, task_id, event, CASE event WHEN 'escalated' THEN 'operations' ELSE role END, $5,
           format('[%s] %s: %s (%s)', $3, $4, title, event),
           format(E'%s\\n\\nTask %s of %s was %s: %s.\\nAnswer: trial task complete %s', title, task_id, $4, event, why,
                  task_id)
    FROM urged
    ON CONFLICT ON CONSTRAINT notified_once DO NOTHING
), infused AS (
    UPDATE reservation SET infused = true
    FROM new
    WHERE new.kind = 'task_answered' AND new.body #>> '{answer,kind}' = 'infusion'
      AND reservation.unit_id = new.body #>> '{answer,unit_id}'
), booked AS (
    INSERT INTO custody (unit_id, workflow_id, sequence, event, at, who, why)
    SELECT unit_id, $1, new.sequence, 'reserved', new.at, new.who, new.why
    FROM new, jsonb_array_elements_text(new.body -> 'units') AS unit_id
    WHERE new.kind = 'product_reserved'
    UNION ALL
    SELECT new.body #>> '{answer,unit_id}', $1, new.sequence, 'infused', new.at, new.who, new.why
    FROM new
    WHERE new.kind = 'task_answered' AND new.body #>> '{answer,kind}' = 'infusion'
    ON CONFLICT DO NOTHING
), moved AS (
    INSERT INTO standing (workflow_id, study, owner, sequence, at, next_at)
    SELECT $1, $3, $4, $7, $8, $9 FROM turn WHERE turn.has_come
    ON CONFLICT (workflow_id) DO UPDATE
    SET sequence = excluded.sequence, at = excluded.at, next_at = excluded.next_at
    WHERE (standing.sequence, standing.at) <= (excluded.sequence, excluded.at)
)
-- Whoever listens (a page, a dashboard, a virtual site) looks again; nothing depends on it.
SELECT turn.has_come, (SELECT count(*) FROM new) AS new, pg_notify('trial_facts', $1) FROM turn
"""

PATIENCE_SECONDS = 1.5
"""How long a workflow task is held up by its publication: it is renewed after 8 of its 10 seconds (ADR 0015)."""
LOOK_AGAIN_SECONDS = 0.05
"""How soon a local activity looks again whether what comes before its facts is published."""
ATTEMPTS_IN_TURN = 6
"""How often a regular activity finds earlier facts missing before it says so to its workflow: some six seconds."""

Row = dict[str, Any]


class EarlierFactsMissingError(Exception):
    """Facts come before those that precede them: they are tried again until it is their turn."""


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

        As a local activity it holds its workflow task up, and nobody is told how it ended: what cannot be done soon
        comes back to the workflow as a signal, for a regular activity that takes as long as it may (ADR 0016).

        Raises:
            EarlierFactsMissingError: facts that come before these are still under way.
            ApplicationError: EARLIER_FACTS_MISSING, not to be retried: they do not seem to come any more.
        """
        if not activity.in_activity() or publication.number is None or not activity.info().is_local:
            return await self._publish_at_last(publication)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._publish_in_turn(publication)
        except Exception as error:  # noqa: BLE001 - whatever it is, the regular activity meets it, shows it and retries
            await _give_back(publication, error)
            return Recorded(first_sequence=publication.first_sequence, facts=())

    async def _publish_at_last(self, publication: Publication) -> Recorded:
        try:
            return await self._publish(publication)
        except EarlierFactsMissingError as error:
            waits = publication.number is None or not activity.in_activity()
            if waits or activity.info().attempt < ATTEMPTS_IN_TURN:
                raise
            raise ApplicationError(str(error), type=names.EARLIER_FACTS_MISSING, non_retryable=True) from None

    async def _publish_in_turn(self, publication: Publication) -> Recorded:
        while True:
            try:
                return await self._publish(publication)
            except EarlierFactsMissingError:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _publish(self, publication: Publication) -> Recorded:
        rows = _rows(publication)
        async with self._pool.acquire() as connection:
            if await _publish(connection, publication, publication.run_id, rows) < len(rows):
                async with connection.transaction():
                    await _reconcile(connection, publication, rows)
        return Recorded(first_sequence=publication.first_sequence, facts=publication.facts)


async def _give_back(publication: Publication, error: Exception) -> None:
    info = activity.info()
    log = structlog.get_logger().bind(study=publication.study, workflow_id=info.workflow_id)
    log.warning("publication_given_back", run_id=info.workflow_run_id, error=f"{type(error).__name__}: {error}")
    handle = activity.client().get_workflow_handle(publication.workflow_id, run_id=publication.run_id)
    await handle.signal(names.PUBLISH_AGAIN, SlowPublication(run_id=publication.run_id, number=publication.number or 0))


def _rows(publication: Publication) -> list[Row]:
    return [
        {
            "sequence": sequence,
            "kind": fact.kind,
            "at": fact.at,
            "who": fact.who,
            "role": fact.role,
            "why": fact.why,
            "body": fact.model_dump(mode="json", exclude_none=True, exclude={"at", "who", "role", "why", "kind"}),
        }
        for sequence, fact in enumerate(publication.facts, start=publication.first_sequence)
    ]


async def _publish(connection: Connection, publication: Publication, run_id: str, rows: list[Row]) -> int:
    """Publish rows in one transaction; return how many were new."""
    parts = _apart(rows)
    if len(parts) == 1:
        return await _publish_part(connection, publication, run_id, rows)
    async with connection.transaction():
        return sum([await _publish_part(connection, publication, run_id, part) for part in parts])


async def _publish_part(connection: Connection, publication: Publication, run_id: str, rows: list[Row]) -> int:
    is_participant = publication.workflow_id.startswith("participant/")
    first = rows[0]["sequence"] if rows else publication.first_sequence
    done = await connection.fetchrow(
        PUBLISH,
        publication.workflow_id,
        run_id,
        publication.study,
        publication.owner,
        site_of(publication.owner) if is_participant else None,
        rows,
        rows[-1]["sequence"] if rows else first - 1,
        publication.at,
        publication.next_at,
        first,
        publication.over_gap,
    )
    if done is None or not done["has_come"]:
        raise EarlierFactsMissingError(f"fact {first - 1} of {publication.workflow_id} is not published yet")
    new: int = done["new"]
    return new


def _apart(rows: Iterable[Row]) -> list[list[Row]]:
    """Divide rows so that no part has two facts of one task: a statement does not see what it has just written."""
    parts: list[list[Row]] = [[]]
    seen: set[str] = set()
    for row in rows:
        body = row["body"]
        task = body["task"]["id"] if "task" in body else body.get("task_id")
        if task in seen:
            parts.append([])
            seen.clear()
        if task is not None:
            seen.add(task)
        parts[-1].append(row)
    return parts


async def _reconcile(connection: Connection, publication: Publication, rows: list[Row]) -> None:
    """Take back what was published from the first number on that has another fact, and publish what is right."""
    workflow_id = publication.workflow_id
    have = await connection.fetch("SELECT * FROM fact WHERE workflow_id = $1 ORDER BY sequence", workflow_id)
    wrong = _first_other({row["sequence"]: row for row in have}, rows)
    if wrong is None:
        return
    await connection.execute("DELETE FROM fact WHERE workflow_id = $1", workflow_id)
    await connection.execute("DELETE FROM task WHERE workflow_id = $1", workflow_id)
    await connection.execute(
        "DELETE FROM custody WHERE workflow_id = $1 AND sequence >= $2 AND event = 'infused'", workflow_id, wrong
    )
    # What was taken back no longer stands for the workflow's latest: else its next deadline would stay the old one.
    await connection.execute("DELETE FROM standing WHERE workflow_id = $1", workflow_id)
    kept = [dict(row) for row in have if row["sequence"] < wrong]
    for run_id, of_run in groupby(kept, key=lambda row: str(row["run_id"])):
        await _publish(connection, publication, run_id, list(of_run))
    await _publish(connection, publication, publication.run_id, [row for row in rows if row["sequence"] >= wrong])


def _first_other(have: dict[int, Any], rows: list[Row]) -> int | None:
    """Return the first number under which the read model has another fact than the history."""
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


def _timeless(body: Row) -> Row:
    # The same task, opened anew by a second attempt, is a second or so younger.
    task = body.get("task")
    return body if task is None else body | {"task": task["id"]}
