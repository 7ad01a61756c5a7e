"""The embedded stack: up, up again, down, and what it keeps. The worker is a stand-in that only stays alive.

The tests share one stack: each begins with all of its parts up.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.database import connect_database
from deploy.errors import DatabaseVersionError, SettingsError, StackError
from deploy.postgres import postmaster
from deploy.processes import find_process, last_lines, stop_process
from deploy.services import embedded_services
from deploy.stack import RETENTION, down, up
from deploy.stack_file import Stack, postgres_folder
from deploy.status import status
from deploy.temporal_client import connect_temporal

WORKER = (sys.executable, "-c", "import os, signal; print(os.environ['TEMPORAL_ADDRESS'], flush=True); signal.pause()")
Eventually = Callable[[Callable[[], bool]], None]


async def bring_up(folder: Path, *, virtual_time: bool = False) -> Stack:
    return await asyncio.to_thread(up, folder, virtual_time=virtual_time, worker=WORKER)


async def take_down(folder: Path) -> None:
    await asyncio.to_thread(down, folder)


async def client_of(folder: Path) -> Client:
    return await connect_temporal(embedded_services(folder), pydantic_data_converter)


def listener(port: int, eventually: Eventually) -> socket.socket:
    """Another program on a port whose server has just been killed."""
    sockets: list[socket.socket] = []

    def bound() -> bool:
        with suppress(OSError):
            sockets.append(socket.create_server(("127.0.0.1", port)))
        return bool(sockets)

    eventually(bound)
    return sockets[0]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data folder that the tests share."""
    with tempfile.TemporaryDirectory(prefix="trial-tests-") as temporary:
        yield Path(temporary) / "stack"
        down(Path(temporary) / "stack")


@pytest.fixture
async def stack(folder: Path) -> Stack:
    """The shared stack, with all parts up."""
    return await bring_up(folder)


def test_the_parts_outlive_the_process_that_started_them_and_its_ctrl_c(folder: Path) -> None:
    program = (
        # A background job ignores Ctrl-C, and so do its children; this one takes it wherever the tests run.
        "import signal, sys; from pathlib import Path; from deploy.stack import up;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "up(Path(sys.argv[1]), worker=sys.argv[2:]); import os; os.killpg(0, 2)"
    )
    command = [sys.executable, "-c", program, str(folder), *WORKER]
    subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, check=False, timeout=300
    )
    assert status(folder).complete


async def test_a_second_up_changes_nothing(stack: Stack, folder: Path) -> None:
    assert await bring_up(folder) == stack


async def test_closed_histories_are_kept_for_auditors(stack: Stack, folder: Path) -> None:
    """A dev server's namespace deletes closed histories after a day; ours keeps them for decades."""
    client = await client_of(folder)

    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))

    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION


async def test_the_web_page_answers(stack: Stack) -> None:
    assert stack.ui_port
    _reader, writer = await asyncio.open_connection("127.0.0.1", stack.ui_port)
    writer.close()


async def test_the_other_kind_of_time_needs_a_down_first(stack: Stack, folder: Path) -> None:
    with pytest.raises(StackError, match=r"is up with real time: stop it first \(`trial down`\)"):
        await bring_up(folder, virtual_time=True)


@pytest.mark.parametrize("part", ["server", "worker", "postgres"])
async def test_up_restarts_what_was_killed_and_leaves_the_rest(
    stack: Stack, folder: Path, eventually: Eventually, part: str
) -> None:
    running = postmaster(postgres_folder(folder)) if part == "postgres" else find_process(getattr(stack, part))
    assert running
    running.kill()
    eventually(lambda: not getattr(status(folder), part))

    after = await bring_up(folder)

    assert after.model_dump(exclude={part}) == stack.model_dump(exclude={part})
    assert status(folder).complete


async def test_a_worker_that_ends_at_once_is_reported_with_the_end_of_its_log(stack: Stack, folder: Path) -> None:
    assert stack.worker
    stop_process(stack.worker, grace=5)
    with pytest.raises(StackError, match=r"(?s)worker ended right after its start.*no module for this"):
        await asyncio.to_thread(
            up, folder, task_queue="trial", worker=(sys.executable, "-c", "raise SystemExit('no module for this')")
        )


async def test_a_workflow_and_a_row_from_before_are_there_after_down_and_up(stack: Stack, folder: Path) -> None:
    client = await client_of(folder)
    await client.start_workflow("AnyWorkflow", id="kept", task_queue="nobody")
    pool = await connect_database(embedded_services(folder))
    await pool.execute("CREATE TABLE kept AS SELECT 1 AS value")
    await pool.close()

    await take_down(folder)
    assert not any(status(folder).model_dump().values())
    with pytest.raises(SettingsError, match=r"no stack is up on .*: start one with `trial up`"):
        embedded_services(folder)
    after = await bring_up(folder)

    assert (after.port, after.ui_port, after.database_url) == (stack.port, stack.ui_port, stack.database_url)
    described = await (await client_of(folder)).get_workflow_handle("kept").describe()
    assert described.status == WorkflowExecutionStatus.RUNNING
    pool = await connect_database(embedded_services(folder))
    assert await pool.fetchval("SELECT value FROM kept") == 1
    await pool.close()


async def test_a_worker_follows_the_server_to_another_port(stack: Stack, folder: Path, eventually: Eventually) -> None:
    server = find_process(stack.server) if stack.server else None
    assert server
    server.kill()
    eventually(lambda: not status(folder).server)
    with listener(stack.port, eventually):
        after = await bring_up(folder)
    assert after.port != stack.port
    eventually(lambda: after.temporal_address in last_lines(folder / "logs" / "worker.log"))


async def test_a_database_of_another_version_is_refused_before_a_worker_starts(stack: Stack, folder: Path) -> None:
    pool = await connect_database(embedded_services(folder))
    await pool.execute("UPDATE migration SET sha256 = reverse(sha256)")
    assert stack.worker
    stop_process(stack.worker, grace=5)

    with pytest.raises(DatabaseVersionError, match=r"set up by another version .* start with a new data folder"):
        await bring_up(folder)

    assert not status(folder).worker
    await pool.execute("UPDATE migration SET sha256 = reverse(sha256)")
    await pool.close()
