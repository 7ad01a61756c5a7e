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


def services_of(call: Call) -> "Services":
    """Return where Temporal and PostgreSQL are."""
    from deploy.services import find_services

    return find_services(call.data_folder)


@asynccontextmanager
async def database(call: Call) -> AsyncIterator["Connection"]:
    """Connect to the database, to read."""
    from activities.database import connect
    from deploy.database import open_database

    connection = await open_database(services_of(call), connect)
    try:
        yield connection
    finally:
        await connection.close()


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
