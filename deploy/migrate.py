"""
Applies the numbered SQL files of `deploy/migrations/`, each once, in order.

The three statements over the table of what was applied stand here: this room imports no other, and so has no reader
for files of named statements (`activities/statements.py`).
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deploy.errors import DatabaseVersionError

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = PoolConnectionProxy[asyncpg.Record]

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_510_828
"""Key of the advisory lock under which only one process migrates; any number will do, as long as it stays."""
CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name    text PRIMARY KEY,
    sha256  text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
)
"""
# Through JSON: the table of an earlier version has no column for the hash.
APPLIED = "SELECT name, to_jsonb(migration) ->> 'sha256' AS sha256 FROM migration ORDER BY name"
RECORD = "INSERT INTO migration (name, sha256) VALUES ($1, $2)"


class Migration(NamedTuple):
    """One SQL file, known by its name and its content."""

    name: str
    sha256: str
    sql: str


def known_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of this version, in the order in which they are applied."""
    contents = {file.name: file.read_bytes() for file in sorted(folder.glob("*.sql"))}
    return [Migration(name, hashlib.sha256(sql).hexdigest(), sql.decode()) for name, sql in contents.items()]


async def migrate(pool: "Pool", folder: Path = MIGRATIONS) -> list[str]:
    """Brings the database up to date; returns the names of the files applied now.

    All of it is one transaction: a file that fails leaves the database as it was.

    Raises:
        DatabaseVersionError: other files than those of this version have been applied.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(CREATE_TABLE)
        pending = await _pending(connection, known_migrations(folder))
        for migration in pending:
            await connection.execute(migration.sql)
            await connection.execute(RECORD, migration.name, migration.sha256)
    return [migration.name for migration in pending]


async def _pending(connection: "Connection", known: list[Migration]) -> list[Migration]:
    """Those not yet applied; what has been applied must be the beginning of what is known."""
    applied = [(row["name"], row["sha256"]) for row in await connection.fetch(APPLIED)]
    expected = [(migration.name, migration.sha256) for migration in known[: len(applied)]]
    if applied != expected:
        differing = sorted({name for name, _ in set(applied) ^ set(expected)})
        raise DatabaseVersionError(
            f"the database was set up by another version (migrations that differ: {', '.join(differing)}): start with "
            f"a new data folder (`--data`) or an empty database, or go on with the version that wrote it; what is to "
            f"be kept can be exported with that version (`trial audit export`)"
        )
    return known[len(applied) :]
