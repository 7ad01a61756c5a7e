"""The embedded PostgreSQL keeps its data through every way of ending."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.errors import PostgresError
from deploy.postgres import postmaster, start_postgres, stop_postgres

ROOT = Path(__file__).parents[2]
Eventually = Callable[[Callable[[], bool]], None]


async def write(url: str, *values: int) -> None:
    """Adds rows to a table `kept` that is made anew."""
    connection = await asyncpg.connect(url)
    await connection.execute("DROP TABLE IF EXISTS kept")
    await connection.execute("CREATE TABLE kept AS SELECT unnest($1::int[]) AS value", values)
    await connection.close()


async def read(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT value FROM kept ORDER BY value")
    await connection.close()
    return [row["value"] for row in rows]


def kill(folder: Path, eventually: Eventually) -> None:
    server = postmaster(folder)
    assert server
    server.kill()
    eventually(lambda: postmaster(folder) is None)


@pytest.fixture(params=["under the project", "with a space and more than 107 characters"])
def new_folder(request: pytest.FixtureRequest, temporary_folder: Path) -> Iterator[Path]:
    """Where a data directory is made; the system user that root's PostgreSQL runs as must be able to reach it."""
    if request.param == "under the project":
        with tempfile.TemporaryDirectory(prefix=".trial-test-", dir=ROOT) as inside:
            yield Path(inside) / "postgres"
            stop_postgres(Path(inside) / "postgres")
    else:
        data = temporary_folder / ("a folder " + "x" * 100) / "data"
        yield data
        stop_postgres(data)


async def test_the_data_are_there_after_a_stop_and_a_start(new_folder: Path) -> None:
    await write(start_postgres(new_folder), 1)
    stop_postgres(new_folder)
    assert postmaster(new_folder) is None
    assert await read(start_postgres(new_folder)) == [1]


async def test_the_data_are_there_after_the_server_was_killed(postgres_folder: Path, eventually: Eventually) -> None:
    for values in ((1, 2), (3, 4)):
        await write(start_postgres(postgres_folder), *values)
        kill(postgres_folder, eventually)
        assert (postgres_folder / "postmaster.pid").exists()
        assert await read(start_postgres(postgres_folder)) == list(values)


async def test_a_pid_file_that_names_another_process_is_not_believed(
    postgres_folder: Path, eventually: Eventually
) -> None:
    await write(start_postgres(postgres_folder), 1)
    kill(postgres_folder, eventually)
    pid_file = postgres_folder / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    stop_postgres(postgres_folder)
    assert await read(start_postgres(postgres_folder)) == [1]


async def test_a_second_start_finds_the_running_server(postgres_folder: Path) -> None:
    url = start_postgres(postgres_folder)
    first = postmaster(postgres_folder)
    assert start_postgres(postgres_folder) == url
    assert postmaster(postgres_folder) == first


@pytest.mark.parametrize("ending", [0, signal.SIGINT, signal.SIGKILL], ids=["exit", "Ctrl-C", "kill"])
def test_the_server_outlives_the_process_that_started_it(postgres_folder: Path, ending: int) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from deploy.postgres import start_postgres;"
        # A background job ignores Ctrl-C, and so do its children; this one takes it wherever the tests run.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "print(start_postgres(Path(sys.argv[1])), flush=True); ending = int(sys.argv[2]);"
        # As a terminal does: to the whole process group.
        "ending and os.killpg(0, ending)"
    )
    command = [sys.executable, "-c", program, str(postgres_folder), str(int(ending))]
    started = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, start_new_session=True
    )
    assert started.returncode == -ending
    server = postmaster(postgres_folder)
    assert server
    assert started.stdout.strip() == start_postgres(postgres_folder)
    assert postmaster(postgres_folder) == server


def test_no_process_is_left_after_a_stop(postgres_folder: Path) -> None:
    start_postgres(postgres_folder)
    server = postmaster(postgres_folder)
    assert server
    family = [server, *server.children(recursive=True)]
    stop_postgres(postgres_folder)
    assert not psutil.wait_procs(family, timeout=5)[1]


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    stop_postgres(tmp_path)


def test_a_server_that_does_not_start_says_why(postgres_folder: Path) -> None:
    settings = postgres_folder / "postgresql.auto.conf"
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresError, match=r"no_such_setting") as error:
        start_postgres(postgres_folder)
    assert str(postgres_folder) in str(error.value)
    settings.write_text("")
