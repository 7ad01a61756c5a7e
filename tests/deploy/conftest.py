"""Folders of an embedded stack that are stopped after the test, and polling with a limit."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.postgres import stop_postgres
from deploy.stack import down

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def postgres_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "postgres"
    yield folder
    stop_postgres(folder)


@pytest.fixture
def stack_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    down(folder)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until something is true, at most 20 seconds."""

    def wait(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not become true within 20 seconds"
            time.sleep(0.05)

    return wait
