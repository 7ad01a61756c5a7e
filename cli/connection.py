"""How the `trial` command reaches what it asks: the workflows' client, their histories, and the database."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.input import Call
from cli.output import Exit, emit, fail, say

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHistory

    from activities.database import Pool
    from client.trial_client import TrialClient
    from deploy.services import Services
    from schemas.commands.commands import Accepted
    from schemas.state.participant import ParticipantState
    from schemas.state.study import StudyState

# Imports of Temporal, pydantic and our own rooms stand inside functions: `trial --help` and completion must answer at
# once.
# ruff: noqa: PLC0415

ASKED_AT_ONCE = 20
"""How many participants are asked at the same time: a worker has only so many places for workflows."""


def services_of(call: Call) -> "Services":
    """Return where Temporal and PostgreSQL are."""
    from deploy.services import find_services

    return find_services(call.data_folder)


async def connected(call: Call) -> "Client":
    """Return a client of the Temporal server."""
    from client.converter import DATA_CONVERTER
    from deploy.temporal_client import connect_temporal

    return await connect_temporal(services_of(call), data_converter=DATA_CONVERTER)


async def client_of(call: Call) -> "TrialClient":
    """Return the client to the study's workflows."""
    from client.trial_client import TrialClient

    return TrialClient(await connected(call), call.study_id)


@asynccontextmanager
async def database(call: Call) -> AsyncIterator["Pool"]:
    """Open the database."""
    from functools import partial

    from activities.database import open_pool
    from deploy.database import connect_database

    pool = await connect_database(services_of(call), partial(open_pool, size=2))
    try:
        yield pool
    finally:
        await pool.close()


def say_accepted(call: Call, accepted: "Accepted") -> None:
    """Tell that a command was carried out."""
    if call.as_json:
        return emit(accepted.model_dump(mode="json", exclude={"recorded"}))
    followed = [fact["kind"] for fact in accepted.recorded["facts"]][1:] if accepted.recorded else []
    said = f"{accepted.message}; then {', '.join(followed)}" if followed else accepted.message
    return say(f"accepted: {accepted.workflow_id}, fact {accepted.sequence}: {said.replace('_', ' ')}")


def site_in(subject: str) -> str | None:
    """Return the site in a subject's number; none if it is no such number."""
    from pydantic import TypeAdapter, ValidationError

    from schemas.base import SubjectId

    try:
        return str(TypeAdapter(SubjectId).validate_python(subject)).partition("-")[0]
    except ValidationError:
        return None


def workflow_id_of(call: Call, where: str) -> str:
    """Return the workflow that a person means by a subject, an arm, 'study', or a workflow id."""
    from schemas import names

    if "/" in where:
        return where
    if where in ("study", call.study_id):
        return names.study_id(call.study_id)
    return names.participant_id(call.study_id, where) if site_in(where) else names.arm_id(call.study_id, where)


async def runs_of(call: Call, where: str) -> "list[WorkflowHistory]":
    """Fetch every run of a workflow's history."""
    from temporalio.service import RPCError, RPCStatusCode

    from history.reading import fetch_runs

    workflow_id = workflow_id_of(call, where)
    client = await connected(call)
    try:
        return await fetch_runs(client, workflow_id)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        fail(Exit.UNKNOWN, "Unknown", "not known to this server and namespace", field="workflow", value=workflow_id)


async def states_of(client: "TrialClient", subjects: Iterable[str]) -> "list[ParticipantState]":
    """Ask participants' workflows, those that have ended too, for their states in the order given."""
    places = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(subject: str) -> "ParticipantState":
        async with places:
            return await client.participant_state(subject)

    return await asyncio.gather(*(ask(subject) for subject in subjects))


def subjects_of(study: "StudyState") -> list[str]:
    """Return everybody who was ever enrolled, in the order of their numbers."""
    return sorted({*study.active, *study.ended})
