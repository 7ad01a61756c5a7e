"""One PostgreSQL cluster for all tests of the room, and polling with a limit."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.postgres import start_postgres, stop_postgres

Eventually = Callable[[Callable[[], bool]], None]
LIMIT = 20.0


# Not pytest's own folders: whenever a session of the same user begins, they are closed to PostgreSQL's user again.
@pytest.fixture
def temporary_folder() -> Iterator[Path]:
    """A folder that any user can write to."""
    with tempfile.TemporaryDirectory(prefix="trial-tests-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A PostgreSQL data directory that was made once; its server may run or not."""
    with tempfile.TemporaryDirectory(prefix="trial-tests-") as folder:
        start_postgres(Path(folder) / "postgres")
        yield Path(folder) / "postgres"
        stop_postgres(Path(folder) / "postgres")


@pytest.fixture
def postgres_folder(cluster: Path) -> Path:
    """The shared data directory, with its server stopped."""
    stop_postgres(cluster)
    return cluster


@pytest.fixture
def postgres_url(cluster: Path) -> str:
    """The URL of the shared cluster, with its server running."""
    return start_postgres(cluster)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until something is true, at most 20 seconds."""

    def wait(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < deadline, f"it did not become true within {LIMIT:.0f} seconds"
            time.sleep(0.05)

    return wait
