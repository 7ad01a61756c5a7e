"""The read model rebuilt from the event histories, with every difference that is mended."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowHistory

from activities.database import Connection, Pool
from activities.protocols import register, restore
from activities.publishing import (
    SQL,
    differences_of,
    fields_that_differ,
    lock_workflow,
    rows_of,
    write_rows,
)
from activities.read_model import fact_of_row, fact_rows
from history.reading import FoundFact, facts_in, fetch_runs_kept, input_of, workflow_ids
from schemas import names
from schemas.commands.commands import StartStudy
from schemas.facts import AnyFact, TaskOpened
from schemas.messages import Publication, RegisterProtocol

FACTS: TypeAdapter[tuple[AnyFact, ...]] = TypeAdapter(tuple[AnyFact, ...])


UNREADABLE = (ValueError, LookupError, TypeError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What is raised where a history or what the read model has of it cannot be read, or not be written."""


@dataclass(frozen=True)
class Rebuilt:
    """One workflow whose part of the read model was rebuilt: how many facts it has, and what was mended."""

    workflow_id: str
    facts: int
    differences: tuple[str, ...]


async def rebuild(client: Client, pool: Pool, study: str) -> AsyncIterator[Rebuilt]:
    """
    Rebuild a study's facts and worklist, one workflow after the other; of tasks that are not open nobody is notified.

    Publishing may go on meanwhile. A workflow that the read model knows and the server does not is reported and left as
    it is: its history may be in the archive only.
    """
    shown = {row["workflow_id"] for row in await pool.fetch(SQL["workflows"], study)}
    recorded = await workflow_ids(client, study)
    for workflow_id in recorded:
        try:
            yield await _rebuild_workflow(client, pool, study, workflow_id)
        except UNREADABLE as error:
            # The others are rebuilt all the same.
            yield Rebuilt(workflow_id, 0, (f"could not be rebuilt: {type(error).__name__}: {error}",))
    for workflow_id in sorted(shown - set(recorded)):
        facts = len(await fact_rows(pool, workflow_id))
        yield Rebuilt(workflow_id, facts, ("the server has no history of it: left as it is",))


async def _rebuild_workflow(client: Client, pool: Pool, study: str, workflow_id: str) -> Rebuilt:
    async with pool.acquire() as connection, connection.transaction():
        await lock_workflow(connection, workflow_id)
        shown = await fact_rows(connection, workflow_id)
        # Read after the rows are locked: the history has every fact before the read model does.
        runs = await fetch_runs_kept(client, workflow_id)
        found = facts_in(runs)
        if not found:
            return Rebuilt(workflow_id, len(shown), ("facts without a history: left as they are",) if shown else ())
        differences = [*await _mend_protocol(connection, workflow_id, study, runs)]
        publications = _publications(study, workflow_id, shown, found)
        right = [row for publication in publications for row in rows_of(publication)]
        differences += differences_of(shown, right)
        differences += _foreign_columns(shown, study, names.parts_of(workflow_id)[1])
        differences += await _rewrite(connection, workflow_id, publications)
    return Rebuilt(workflow_id, len(right), tuple(differences))


def _publications(
    study: str, workflow_id: str, shown: Sequence[Mapping[str, Any]], found: Sequence[FoundFact]
) -> list[Publication]:
    """Return what is to be shown: facts of runs that retention has removed as they are, then those of the histories."""
    kept = [(row["run_id"], row["sequence"], fact_of_row(row)) for row in shown if row["sequence"] < found[0].sequence]
    recorded = [(fact.run_id, fact.sequence, fact.fact) for fact in found]
    by_run: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for run_id, sequence, fact in [*kept, *recorded]:
        by_run.setdefault(run_id, []).append((sequence, fact))
    return [
        Publication(
            study=study,
            workflow_id=workflow_id,
            run_id=run_id,
            owner=names.parts_of(workflow_id)[1],
            first_sequence=facts[0][0],
            facts=FACTS.validate_python([fact for _, fact in facts]),
        )
        for run_id, facts in by_run.items()
    ]


def _foreign_columns(shown: Sequence[Mapping[str, Any]], study: str, owner: str) -> list[str]:
    """Name the facts that the read model shows under another study or owner."""
    right = {"study": study, "owner": owner}
    wrong = [(row["sequence"], fields_that_differ(right, {name: row[name] for name in right})) for row in shown]
    return [f"fact {sequence}: altered: {fields}" for sequence, fields in wrong if fields]


async def _rewrite(connection: Connection, workflow_id: str, publications: Sequence[Publication]) -> list[str]:
    before = {row["task_id"]: dict(row) for row in await connection.fetch(SQL["tasks"], workflow_id)}
    await connection.execute(SQL["delete_facts"], workflow_id)
    await connection.execute(SQL["delete_tasks"], workflow_id)
    opened = [fact.task.id for each in publications for fact in each.facts if isinstance(fact, TaskOpened)]
    await connection.execute(SQL["delete_tasks_by_id"], publications[0].study, opened)
    for publication in publications:
        await write_rows(connection, publication, rows_of(publication))
    await connection.execute(SQL["settle_notices"], workflow_id)
    await connection.execute(SQL["wait_no_longer"], workflow_id)
    after = {row["task_id"]: dict(row) for row in await connection.fetch(SQL["tasks"], workflow_id)}
    return _differing_tasks(before, after)


def _differing_tasks(shown: Mapping[str, Mapping[str, Any]], right: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = [f"task {task_id}: missing" for task_id in sorted(right.keys() - shown.keys())]
    found += [f"task {task_id}: added" for task_id in sorted(shown.keys() - right.keys())]
    for task_id in sorted(shown.keys() & right.keys()):
        if fields := fields_that_differ(right[task_id], shown[task_id]):
            found.append(f"task {task_id}: altered: {fields}")
    return found


async def _mend_protocol(
    connection: Connection, workflow_id: str, study: str, runs: Sequence[WorkflowHistory]
) -> list[str]:
    """Register the study's protocol again, where the database has lost it."""
    if workflow_id != names.study_id(study):
        return []
    start = StartStudy.model_validate(input_of(runs[0])[0])
    again = RegisterProtocol(protocol=start.protocol, reference=start.reference)
    name = f"protocol {start.reference.id} {start.reference.version}"
    if await register(connection, again):
        return [f"{name}: missing"]
    return [f"{name}: altered"] if await restore(connection, again) else []
