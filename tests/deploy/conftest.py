"""One PostgreSQL cluster for all tests of the room, and polling with a limit."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.postgres import start_postgres, stop_postgres

Eventually = Callable[[Callable[[], bool]], None]
LIMIT = 20.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A PostgreSQL data directory that was made once; its server may run or not."""
    folder = tmp_path_factory.mktemp("cluster") / "postgres"
    start_postgres(folder)
    yield folder
    stop_postgres(folder)


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
