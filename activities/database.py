"""The connection pool that all activities share."""

import json
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Database = Pool | Connection
else:
    # The classes are generic only in their type stubs.
    Pool, Connection, Database = asyncpg.Pool, asyncpg.Connection, asyncpg.Pool | asyncpg.Connection

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that breaks while it is being made
)
"""What is raised while the database is away, or is starting."""


async def open_pool(dsn: str, *, size: int = 8) -> Pool:
    """
    Open a pool whose JSON columns are Python values.

    Raises:
        OSError, asyncpg.PostgresError: when the database cannot be reached.
    """
    pool: Pool = await asyncpg.create_pool(
        dsn, min_size=1, max_size=size, init=_prepare, reset=_leave_as_is, command_timeout=20
    )
    return pool


async def connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """
    Open one connection whose JSON columns are Python values, for a process that asks little.

    Raises:
        OSError, asyncpg.PostgresError: when the database cannot be reached.
    """
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn, command_timeout=20)
    await _prepare(connection)
    return connection


async def _leave_as_is(connection: Connection) -> None:
    """Nothing outlives a transaction here, so the round trip that would reset the session is saved."""


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=_to_json, decoder=json.loads, schema="pg_catalog")


def _to_json(value: object) -> str:
    # Slow to load, and who only reads does without.
    from pydantic_core import to_json  # noqa: PLC0415

    return to_json(value).decode()
