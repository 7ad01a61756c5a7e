"""Connecting to Postgres, with failures in words."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from deploy.errors import UnreachableError
from deploy.services import Services
from deploy.settings import DATABASE_EXAMPLE

if TYPE_CHECKING:
    # The class is generic only in its type stubs.
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool

Opened = TypeVar("Opened")
"""A pool or a connection."""
CONNECT_LIMIT = 20.0
"""Seconds to get an answer from Postgres."""
POOL_SIZE = 10
"""Most connections of the default pool."""


async def default_pool(url: str) -> Pool:
    """A pool without codecs of our own."""
    return await asyncpg.create_pool(url, min_size=1, max_size=POOL_SIZE)


async def connect_database(services: Services, open_pool: Callable[[str], Awaitable[Pool]] = default_pool) -> Pool:
    """An open pool of connections, made by `open_pool` from the database's URL.

    Raises:
        UnreachableError: Postgres did not answer within 20 seconds, or refused; the message names its host.
    """
    return await open_database(services, open_pool)


async def open_database(services: Services, connect: Callable[[str], Awaitable[Opened]]) -> Opened:
    """What `connect` opens from the database's URL: a pool, or one connection.

    Raises:
        UnreachableError: Postgres did not answer within 20 seconds, or refused; the message names its host.
    """
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            return await connect(services.database_url)
    except TimeoutError:
        reason = f"no answer within {CONNECT_LIMIT:.0f} seconds"
    except ValueError:
        # The library's own message may quote the URL with its password.
        raise UnreachableError(f"TRIAL_DATABASE_URL is not a Postgres URL such as {DATABASE_EXAMPLE}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error)
    raise UnreachableError(f"no Postgres at {services.database_host} ({services.remedy}): {reason}")
