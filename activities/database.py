"""The connection pool that all activities share."""

import json

import asyncpg


async def open_pool(dsn: str, *, size: int = 8) -> asyncpg.Pool:
    """
    Open a pool whose JSON columns are Python values.

    Raises:
        OSError, asyncpg.PostgresError: when the database cannot be reached.
    """
    pool: asyncpg.Pool = await asyncpg.create_pool(dsn, min_size=1, max_size=size, init=_prepare, command_timeout=20)
    return pool


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
