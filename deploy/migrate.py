"""Applies the numbered SQL files of `deploy/migrations/`, each once, in order."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as it stays: it keeps two workers from migrating at the same time.
LOCK = 7_510_828


async def migrate(pool: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
    """Bring the database up to date; return the names of the files applied now."""
    applied = []
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, at timestamptz DEFAULT now())"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
        for file in sorted(MIGRATIONS.glob("*.sql")):
            if file.name not in done:
                await connection.execute(file.read_text(encoding="utf-8"))
                await connection.execute("INSERT INTO migration (name) VALUES ($1)", file.name)
                applied.append(file.name)
    return applied
