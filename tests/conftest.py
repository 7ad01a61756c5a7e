"""A real Temporal server with virtual time, a real Postgres and a real worker, shared by all tests of a session."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.database import Pool, open_pool
from activities.read_model import listen
from client.converter import DATA_CONVERTER
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.stack_file import Stack
from deploy.temporal_client import connect_temporal
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from simulation.world import News, World
from tests.cli.trial_command import nowhere, participant, study, trial  # noqa: F401 - fixtures of several test modules
from tests.history.replaying import assert_study_replays
from tests.workflows.patient_client import PatientClient
from worker import make_worker

MEMORY = Path("/dev/shm")  # noqa: S108 - the data of a test run need not outlive it
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    # A quarter of a story's time is the disk's, where Temporal and Postgres sync what they commit.
    tempfile.tempdir = str(MEMORY)

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
async def trial_worker(client: Client, pool: Pool) -> AsyncIterator[None]:
    """A worker that runs for the whole session."""
    async with make_worker(client, pool):
        yield


@pytest.fixture(scope="session")
def protocol() -> LoadedProtocol:
    """The protocol as it is committed."""
    return load_protocol(default_protocol_path())


@pytest.fixture
async def world(client: Client, pool: Pool, dsn: str, trial_worker: None) -> AsyncIterator[World]:
    """A world for one study of its own, with an empty bank; after the story every workflow of it must replay."""
    await empty_bank(pool)
    news = News()
    connection = await listen(dsn, news.receive)
    world = World(PatientClient(client, f"study-{uuid.uuid4().hex[:8]}"), pool, news)
    yield world
    await connection.close()
    # Its callbacks may still be on their way.
    await asyncio.sleep(0)
    await assert_study_replays(world)


async def empty_bank(pool: Pool) -> None:
    """Empty the bank, whose rows nobody can change or remove, for the next story."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("TRUNCATE custody, unit, reservation_request")
