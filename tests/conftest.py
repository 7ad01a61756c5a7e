"""A real Temporal server with virtual time, a real Postgres and a real worker, shared by all tests of a session."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.database import Pool, open_pool
from activities.projection import Projection
from activities.worklist import listen
from client.converter import DATA_CONVERTER
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.stack_file import Stack
from deploy.temporal_client import connect_temporal
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from simulation.site import News, World
from tests.cli.trial_command import nowhere, participant, study, trial  # noqa: F401 - fixtures of several test modules
from tests.workflows.shown import PatientDoors
from worker import make_worker

# The tests' worker runs in their own process; the stack's own is a process that does nothing.
IDLE_WORKER = ("sleep", "infinity")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A stack with virtual time and no worker of its own."""
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TRIAL_DATA"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="trial-tests-") as folder:
        data = Path(folder)
        yield up(data, ui=False, virtual_time=True, worker=IDLE_WORKER)
        down(data)


@pytest.fixture(scope="session")
def dsn(stack: Stack) -> str:
    """The DSN of the session's Postgres."""
    return stack.database_url


@pytest.fixture(scope="session")
async def client(stack: Stack) -> Client:
    """A client of the session's Temporal server."""
    return await connect_temporal(embedded_services(stack.data), DATA_CONVERTER)


@pytest.fixture(scope="session")
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database."""
    pool = await open_pool(dsn)
    await migrate(pool)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def trial_projection(client: Client, pool: Pool) -> AsyncIterator[Projection]:
    """A worker that runs for the whole session, and what follows its histories."""
    async with make_worker(client, pool) as projection:
        yield projection


@pytest.fixture(scope="session")
async def trial_worker(trial_projection: Projection) -> None:
    """A worker that runs for the whole session."""


@pytest.fixture(scope="session")
def protocol() -> LoadedProtocol:
    """The protocol as it is committed."""
    return load_protocol(default_protocol_path())


@pytest.fixture
async def world(client: Client, pool: Pool, dsn: str, trial_worker: None) -> AsyncIterator[World]:
    """A world for one study of its own, with an empty bank: doors, worklist, news and calendar."""
    await pool.execute("TRUNCATE reservation, custody, unit")
    news = News()
    connection = await listen(dsn, news.stir)
    yield World(PatientDoors(client, f"study-{uuid.uuid4().hex[:8]}", pool), pool, news)
    await connection.close()
    # Its callbacks may still be on their way.
    await asyncio.sleep(0)
