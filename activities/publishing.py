"""Publishing: facts, worklist and notices of a workflow, written in one transaction (docs/decisions/0020)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.database import Connection, Pool
from activities.read_model import fact_of_row
from activities.statements import statements
from schemas import facts as f
from schemas import names
from schemas.base import site_of
from schemas.messages import Publication

SQL = statements("publishing")
READ_MODEL_DIFFERS = "ReadModelDiffers"
"""The error type of a publication that waits: its attempts go on, and succeed after `trial audit rebuild`."""
NEXT_ATTEMPT = timedelta(seconds=5)
_COLUMNS = {"at", "who", "role", "why", "kind"}


class PublishingActivities:
    """The activity by which every workflow publishes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=names.PUBLISH_FACTS)
    async def publish_facts(self, publication: Publication) -> None:
        """
        Write facts, tasks and notices, all or none; a retry after a lost answer changes nothing.

        Raises:
            ApplicationError: READ_MODEL_DIFFERS, to be retried: the read model has other facts under these numbers, or
                lacks the fact before. The run was reset, or the database was altered; `trial audit rebuild` mends it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            difference = await write_publication(connection, publication)
        if difference is not None:
            await self._wait_for_rebuild(publication, difference)

    async def _wait_for_rebuild(self, publication: Publication, difference: str) -> None:
        workflow_id, first = publication.workflow_id, publication.first_sequence
        await self._pool.execute(SQL["wait_for_rebuild"], workflow_id, publication.study, first, difference)
        log = structlog.get_logger().bind(study=publication.study, workflow_id=workflow_id)
        log.warning("publication_waits", first_sequence=first, difference=difference)
        message = f"{workflow_id}: {difference}; run `trial audit rebuild`"
        raise ApplicationError(message, type=READ_MODEL_DIFFERS, next_retry_delay=NEXT_ATTEMPT)


async def lock_workflow(connection: Connection, workflow_id: str) -> None:
    """Let nobody else write facts of this workflow until the transaction ends."""
    await connection.execute(SQL["lock"], workflow_id)


async def write_publication(connection: Connection, publication: Publication) -> str | None:
    """Write a publication within a transaction; return how the read model differs from its history, if it does."""
    rows = rows_of(publication)
    first, last = publication.first_sequence, rows[-1]["sequence"]
    await lock_workflow(connection, publication.workflow_id)
    latest = await connection.fetchval(SQL["latest"], publication.workflow_id)
    if latest < first - 1:
        difference: str | None = f"fact {first} does not follow on {latest}, the latest in the read model"
    else:
        there = await connection.fetch(SQL["facts_between"], publication.workflow_id, first, last)
        # A publication that was failed by hand after its commit comes back with what was recorded since.
        known, new = rows[: latest - first + 1], rows[max(0, latest - first + 1) :]
        difference = difference_of([dict(row) for row in there], known)
        if difference is None and new:
            await write_rows(connection, publication, new)
    if difference is None:
        await connection.execute(SQL["wait_no_longer"], publication.workflow_id)
    return difference


async def write_rows(connection: Connection, publication: Publication, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new facts with the tasks and notices that follow from them."""
    workflow_id, owner = publication.workflow_id, publication.owner
    await connection.execute(SQL["insert_facts"], workflow_id, publication.run_id, publication.study, owner, rows)
    for fact in publication.facts[-len(rows) :]:
        await _write_task(connection, publication, fact)
    await connection.execute(SQL["announce"], workflow_id)


async def _write_task(connection: Connection, publication: Publication, fact: f.AnyFact) -> None:
    study = publication.study
    match fact:
        case f.TaskOpened():
            is_participant = publication.workflow_id == names.participant_id(study, publication.owner)
            site = site_of(publication.owner) if is_participant else None
            task = fact.task.model_dump(mode="json", exclude_none=True)
            owner, workflow_id = publication.owner, publication.workflow_id
            await connection.execute(SQL["open_task"], study, owner, workflow_id, site, task)
            await connection.execute(SQL["notify"], study, fact.task.id, "opened", fact.why)
        case f.TaskReminded() | f.TaskEscalated():
            urgency = fact.kind.removeprefix("task_")
            await connection.execute(SQL["urge_task"], study, fact.task_id, urgency)
            await connection.execute(SQL["notify"], study, fact.task_id, urgency, fact.why)
        case f.TaskClosed():
            await connection.execute(SQL["close_task"], study, fact.task_id, fact.end.value, fact.at)
        case f.TaskAnswered():
            await connection.execute(SQL["close_task"], study, fact.task_id, "answered", fact.at)
        case _:
            return


def rows_of(publication: Publication) -> list[dict[str, Any]]:
    """Return a publication's facts as rows of the table."""
    return [
        {
            "sequence": sequence,
            **{name: getattr(fact, name) for name in ("kind", "at", "who", "role", "why")},
            "body": fact.model_dump(mode="json", exclude_none=True, exclude=_COLUMNS),
        }
        for sequence, fact in enumerate(publication.facts, start=publication.first_sequence)
    ]


def difference_of(there: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the first difference between rows of the read model and what the history says, if there is one."""
    found = differences_of(there, right)
    return found[0] if found else None


def differences_of(there: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every difference between rows of the read model and what the history says, each in words."""
    read, recorded = ({row["sequence"]: fact_of_row(row) for row in rows} for rows in (there, right))
    found = []
    for number in sorted({*read, *recorded}):
        if number not in read:
            found.append(f"fact {number}: missing ({recorded[number]['kind']})")
        elif number not in recorded:
            found.append(f"fact {number}: added ({read[number]['kind']})")
        elif fields := fields_that_differ(recorded[number], read[number]):
            found.append(f"fact {number}: altered: {fields}")
    return found


def fields_that_differ(recorded: Mapping[str, Any], other: Mapping[str, Any], *, other_is: str = "shown") -> str:
    """Return the fields of two records that differ, in words; nothing if none does."""
    keys = sorted(key for key in {*recorded, *other} if recorded.get(key) != other.get(key))
    return "; ".join(f"{key}: recorded {recorded.get(key)!r}, {other_is} {other.get(key)!r}" for key in keys)
