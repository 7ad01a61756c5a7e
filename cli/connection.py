"""How the `trial` command reaches PostgreSQL and Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.call import Call

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.database import Connection, Pool
    from client.trial_client import TrialClient
    from deploy.settings import Settings

# Temporal and PostgreSQL are slow to load: a command loads only what it asks.
# ruff: noqa: PLC0415


def services_of(call: Call) -> "Settings":
    """Return where Temporal and PostgreSQL are."""
    from deploy.settings import load_settings

    return load_settings(call.data_folder)


@asynccontextmanager
async def database(call: Call) -> AsyncIterator["Connection"]:
    """Connect to the database, to read."""
    from activities.database import connect

    connection = await connect(services_of(call).database_url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def database_pool(call: Call) -> AsyncIterator["Pool"]:
    """Open a pool of connections, to write."""
    from activities.database import open_pool

    pool = await open_pool(services_of(call).database_url, size=2)
    try:
        yield pool
    finally:
        await pool.close()


async def temporal(call: Call) -> "Client":
    """Return a client of the Temporal server."""
    from client.converter import DATA_CONVERTER
    from deploy.settings import connect

    return await connect(services_of(call), data_converter=DATA_CONVERTER)


async def trial_client(call: Call) -> "TrialClient":
    """Return the client of the study's workflows."""
    from client.trial_client import TrialClient

    return TrialClient(await temporal(call), call.study_id)
