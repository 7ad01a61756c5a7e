"""How the `trial` command reaches PostgreSQL and Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.call import Call

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.database import Connection, Pool
    from client.trial_client import TrialClient
    from deploy.services import Services

# Temporal and PostgreSQL are slow to load: a command loads only what it asks.
# ruff: noqa: PLC0415

USUAL_SECONDS = 5.0
"""Seconds in which a database usually answers."""


def services_of(call: Call) -> "Services":
    """Return where Temporal and PostgreSQL are."""
    from deploy.services import find_services

    return find_services(call.data_folder)


@asynccontextmanager
async def database(call: Call) -> AsyncIterator["Connection"]:
    """Connect to the database, to read."""
    connection = await _connected_as_usual(call) or await _connected(call)
    try:
        yield connection
    finally:
        await connection.close()


async def _connected_as_usual(call: Call) -> "Connection | None":
    """Connect without loading what finds out why it can't; None where it can't."""
    import asyncio

    import asyncpg

    from activities.database import connect
    from deploy.database_url import usual_database_url

    url = usual_database_url(call.data_folder)
    try:
        async with asyncio.timeout(USUAL_SECONDS):
            return None if url is None else await connect(url)
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _connected(call: Call) -> "Connection":
    from activities.database import connect
    from deploy.database import open_database

    return await open_database(services_of(call), connect)


@asynccontextmanager
async def database_pool(call: Call) -> AsyncIterator["Pool"]:
    """Open a pool of connections, to write."""
    from activities.database import open_pool
    from deploy.database import open_database

    pool = await open_database(services_of(call), open_pool)
    try:
        yield pool
    finally:
        await pool.close()


async def temporal(call: Call) -> "Client":
    """Return a client of the Temporal server."""
    from client.converter import DATA_CONVERTER
    from deploy.temporal_client import connect_temporal

    return await connect_temporal(services_of(call), data_converter=DATA_CONVERTER)


async def trial_client(call: Call) -> "TrialClient":
    """Return the client of the study's workflows."""
    from client.trial_client import TrialClient

    return TrialClient(await temporal(call), call.study_id)
