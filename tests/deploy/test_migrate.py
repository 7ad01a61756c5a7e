"""Migrations are applied once; a database that was set up by another version is refused with what to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from deploy.database import Pool, default_pool
from deploy.errors import DatabaseVersionError
from deploy.migrate import known_migrations, migrate


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A pool on an empty database."""
    pool = await default_pool(postgres_url)
    await pool.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield pool
    await pool.close()


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    (tmp_path / "0001_unit.sql").write_text("CREATE TABLE unit (id text); CREATE INDEX unit_by_id ON unit (id);")
    (tmp_path / "0002_custody.sql").write_text("CREATE TABLE custody (id text)")
    return tmp_path


async def test_each_file_is_applied_once_and_later_ones_when_they_come(pool: Pool, migrations: Path) -> None:
    assert await migrate(pool, migrations) == ["0001_unit.sql", "0002_custody.sql"]
    assert await migrate(pool, migrations) == []
    (migrations / "0003_outbox.sql").write_text("ALTER TABLE custody ADD COLUMN why text")
    assert await migrate(pool, migrations) == ["0003_outbox.sql"]
    assert await pool.fetch("SELECT why FROM custody") == []


async def test_of_two_at_once_one_applies_and_the_other_finds_it_done(pool: Pool, migrations: Path) -> None:
    applied = await asyncio.gather(migrate(pool, migrations), migrate(pool, migrations))
    assert sorted(applied) == [[], ["0001_unit.sql", "0002_custody.sql"]]


async def test_a_file_that_fails_leaves_the_database_as_it_was(pool: Pool, migrations: Path) -> None:
    (migrations / "0003_wrong.sql").write_text("CREATE TABLE unit (id text)")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(pool, migrations)
    assert await pool.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def rewrite(folder: Path) -> None:
    (folder / "0001_unit.sql").write_text("CREATE TABLE unit (id text PRIMARY KEY)")


def rename(folder: Path) -> None:
    (folder / "0001_unit.sql").rename(folder / "0001_initial.sql")


def merge(folder: Path) -> None:
    (folder / "0002_custody.sql").unlink()


def insert(folder: Path) -> None:
    (folder / "0001_zone.sql").write_text("CREATE TABLE zone (id text)")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (rewrite, "0001_unit.sql"),
        (rename, "0001_initial.sql, 0001_unit.sql"),
        (merge, "0002_custody.sql"),
        (insert, "0001_zone.sql, 0002_custody.sql"),
    ],
)
async def test_a_database_of_another_version_is_refused_and_stays_as_it_is(
    pool: Pool, migrations: Path, change: Callable[[Path], None], named: str
) -> None:
    await migrate(pool, migrations)
    change(migrations)
    with pytest.raises(
        DatabaseVersionError, match=rf"another version \(.*differ: {named}\): start with a new data folder"
    ):
        await migrate(pool, migrations)
    assert await pool.fetchval("SELECT count(*) FROM migration") == 2


async def test_a_database_from_before_contents_were_recorded_is_refused(pool: Pool, migrations: Path) -> None:
    await pool.execute("CREATE TABLE migration (name text PRIMARY KEY, at timestamptz DEFAULT now())")
    await pool.execute("INSERT INTO migration (name) VALUES ('0001_unit.sql')")
    with pytest.raises(DatabaseVersionError, match=r"differ: 0001_unit\.sql\): start with a new data folder"):
        await migrate(pool, migrations)


async def test_the_migrations_of_this_version_can_be_applied(pool: Pool) -> None:
    assert await migrate(pool) == [migration.name for migration in known_migrations()]
    assert await migrate(pool) == []
