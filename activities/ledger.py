"""The read model, worklist, outbox and custody of units: written from facts, together in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from asyncpg import UniqueViolationError

from activities.database import Connection, Pool
from schemas.base import site_of
from schemas.messages import Publication

# One statement for all that follows from facts, since round trips are most of what publishing costs. All of it is
# written, or nothing: nothing if the fact before is missing, or if a number is taken. $5 is the participant's site,
# $6 the facts, $10 and $7 the first and the last number.
WRITE = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset($6) AS given (
        sequence integer, kind text, at timestamptz, who text, role text, why text, body jsonb
    )
), turn AS (
    SELECT $11 OR $10 = 1 OR EXISTS (SELECT FROM fact WHERE workflow_id = $1 AND sequence = $10 - 1) AS has_come,
           NOT EXISTS (SELECT FROM fact WHERE workflow_id = $1 AND sequence BETWEEN $10 AND $7) AS is_new
), new AS (
    INSERT INTO fact (workflow_id, run_id, study, owner, sequence, kind, at, who, role, why, body)
    SELECT $1, $2, $3, $4, sequence, kind, at, who, role, why, body FROM given, turn
    WHERE turn.has_come AND turn.is_new
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
    SELECT $1, $3, $4, $7, $8, $9 FROM turn WHERE turn.has_come AND turn.is_new
    ON CONFLICT (workflow_id) DO UPDATE
    SET sequence = excluded.sequence, at = excluded.at, next_at = excluded.next_at
    WHERE (standing.sequence, standing.at) <= (excluded.sequence, excluded.at)
)
-- Whoever listens (a page, a dashboard, a virtual site) looks again; nothing depends on it.
SELECT turn.has_come, turn.is_new, pg_notify('trial_facts', $1) FROM turn
"""

Row = dict[str, Any]


class EarlierFactsMissingError(Exception):
    """Facts come before those that precede them."""


class NumberTakenError(Exception):
    """A fact has a number that is there already."""


class Ledger:
    """The only writer of the worklist, the outbox and the read model."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def has(self, workflow_id: str) -> int:
        """Return the number of the latest fact that is written; 0, if there is none."""
        latest = await self._pool.fetchval("SELECT max(sequence) FROM fact WHERE workflow_id = $1", workflow_id)
        return latest or 0

    async def stands(self, publication: Publication) -> bool:
        """Tell whether a publication's facts are the latest that are written."""
        if await self.has(publication.workflow_id) != publication.last_sequence:
            return False
        async with self._pool.acquire() as connection:
            return _first_other(await _facts(connection, publication), publication) is None

    async def write_new(self, publication: Publication) -> bool:
        """
        Write facts that follow on what is there, or are there; return False where neither is so: the history must tell.

        They do not follow if earlier ones are missing, or if their numbers belong to others: a worker died, or its
        workflow task was given to another one.
        """
        async with self._pool.acquire() as connection:
            try:
                await _write(connection, publication)
            except (EarlierFactsMissingError, UniqueViolationError):
                return False
            except NumberTakenError:
                return _first_other(await _facts(connection, publication), publication) is None
            return True

    async def write(self, publication: Publication) -> None:
        """
        Write facts that the history has, or will have; where others have their numbers, these are taken back.

        Raises:
            EarlierFactsMissingError: facts that come before these are missing.
        """
        async with self._pool.acquire() as connection:
            try:
                await _write(connection, publication)
            except (NumberTakenError, UniqueViolationError):
                wrong = _first_other(await _facts(connection, publication), publication)
                if wrong is not None:
                    right = publication.facts[wrong - publication.first_sequence :]
                    from_there = publication.model_copy(update={"first_sequence": wrong, "facts": right})
                    await _rewrite(connection, [from_there])

    async def follow(self, recorded: Sequence[Publication], *, no_further: bool = False) -> None:
        """
        Have the read model say what a workflow's history has on record, which is what it says or more.

        Args:
            recorded: all that is on record, in order.
            no_further: whether facts beyond the record are to be taken back; else they may still come to be on record.
        """
        workflow_id, last = recorded[-1].workflow_id, recorded[-1].last_sequence
        async with self._pool.acquire() as connection:
            rows = await connection.fetch("SELECT * FROM fact WHERE workflow_id = $1", workflow_id)
            have = {row["sequence"]: dict(row) for row in rows}
            latest = max(have, default=0)
            known = [publication for publication in recorded if publication.first_sequence <= latest]
            goes_further = no_further and latest > last
            if goes_further or any(_first_other(have, publication) is not None for publication in known):
                await _rewrite(connection, recorded)
                return
            for number, publication in enumerate(recorded):
                if publication.last_sequence > latest or (publication is recorded[-1] and not publication.facts):
                    # Runs of long ago may be gone from the server: nothing can come before the first that is there.
                    await _write(connection, publication if number else _over_gap(publication))

    async def rewrite(self, recorded: Sequence[Publication]) -> None:
        """Write all that a workflow's history has on record anew, in place of what is there."""
        async with self._pool.acquire() as connection:
            await _rewrite(connection, recorded)


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


def _over_gap(publication: Publication) -> Publication:
    return publication.model_copy(update={"over_gap": True})


async def _write(connection: Connection, publication: Publication) -> None:
    """Write a publication in one transaction."""
    await _write_rows(connection, publication, publication.run_id, _rows(publication))


async def _write_rows(connection: Connection, publication: Publication, run_id: str, rows: list[Row]) -> None:
    parts = _apart(rows)
    if len(parts) == 1:
        await _write_part(connection, publication, run_id, rows)
        return
    async with connection.transaction():
        for part in parts:
            await _write_part(connection, publication, run_id, part)


async def _write_part(connection: Connection, publication: Publication, run_id: str, rows: list[Row]) -> None:
    is_participant = publication.workflow_id.startswith("participant/")
    first = rows[0]["sequence"] if rows else publication.first_sequence
    done = await connection.fetchrow(
        WRITE,
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
    if not done["is_new"]:
        raise NumberTakenError(f"facts from {first} on of {publication.workflow_id} are there already")


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


async def _rewrite(connection: Connection, recorded: Sequence[Publication]) -> None:
    """Take back what is there from the first of these on, and write what is right."""
    workflow_id, wrong = recorded[0].workflow_id, recorded[0].first_sequence
    async with connection.transaction():
        # Whoever writes facts of this workflow meanwhile has to wait here, and cannot come between two deletions.
        await connection.execute("SELECT FROM standing WHERE workflow_id = $1 FOR UPDATE", workflow_id)
        right = await connection.fetch(
            "SELECT * FROM fact WHERE workflow_id = $1 AND sequence < $2 ORDER BY sequence", workflow_id, wrong
        )
        for table in ("fact", "task", "standing"):
            await connection.execute(f"DELETE FROM {table} WHERE workflow_id = $1", workflow_id)  # noqa: S608
        # A unit that comes back to the bank is given back by an activity, and is no matter of facts.
        await connection.execute(
            "WITH taken_back AS (DELETE FROM custody WHERE workflow_id = $1 AND sequence >= $2 "
            "AND event IN ('reserved', 'infused') RETURNING unit_id, event) "
            "UPDATE reservation SET infused = false FROM taken_back "
            "WHERE taken_back.event = 'infused' AND reservation.unit_id = taken_back.unit_id",
            workflow_id,
            wrong,
        )
        for run_id, of_run in groupby(map(dict, right), key=lambda row: str(row["run_id"])):
            await _write_rows(connection, _over_gap(recorded[0]), run_id, list(of_run))
        for publication in recorded:
            await _write(connection, _over_gap(publication))


async def _facts(connection: Connection, publication: Publication) -> dict[int, Row]:
    """Return the facts that are there under a publication's numbers."""
    found = await connection.fetch(
        "SELECT * FROM fact WHERE workflow_id = $1 AND sequence BETWEEN $2 AND $3",
        publication.workflow_id,
        publication.first_sequence,
        publication.last_sequence,
    )
    return {row["sequence"]: dict(row) for row in found}


def _first_other(have: Mapping[int, Row], publication: Publication) -> int | None:
    """Return the first number of a publication under which there is no fact, or another one."""
    return next(
        (
            row["sequence"]
            for row in _rows(publication)
            if (there := have.get(row["sequence"])) is None or any(there[key] != row[key] for key in row)
        ),
        None,
    )
