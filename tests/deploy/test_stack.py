"""The embedded stack: up, up again, down, and what it keeps. The worker is a stand-in that only stays alive."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.postgres import postmaster
from deploy.processes import Process, last_lines
from deploy.settings import SettingsError, connect, connect_database, load_settings
from deploy.stack import RETENTION, Stack, StackError, down, environment, read_stack, status, up

WORKER = (sys.executable, "-c", "import os, signal; print(os.environ['TEMPORAL_ADDRESS'], flush=True); signal.pause()")


async def raise_up(folder: Path, *, virtual_time: bool = False, ui: bool = False) -> Stack:
    return await asyncio.to_thread(up, folder, ui=ui, virtual_time=virtual_time, worker=WORKER)


async def take_down(folder: Path) -> None:
    await asyncio.to_thread(down, folder)


async def client_of(folder: Path) -> Client:
    return await connect(load_settings(folder, {}), pydantic_data_converter)


async def test_a_workflow_and_a_row_from_before_are_there_after_down_and_up(stack_folder: Path) -> None:
    first = await raise_up(stack_folder)
    client = await client_of(stack_folder)
    await client.start_workflow("AnyWorkflow", id="kept", task_queue="nobody")
    pool = await connect_database(load_settings(stack_folder, {}))
    await pool.execute("CREATE TABLE kept AS SELECT 1 AS value")
    await pool.close()

    await take_down(stack_folder)
    assert not any(status(stack_folder).model_dump().values())
    second = await raise_up(stack_folder)

    assert (second.port, second.database_url) == (first.port, first.database_url)
    client = await client_of(stack_folder)
    described = await client.get_workflow_handle("kept").describe()
    assert described.status == WorkflowExecutionStatus.RUNNING
    connection = await asyncpg.connect(second.database_url)
    assert await connection.fetchval("SELECT value FROM kept") == 1
    await connection.close()


async def test_a_second_up_leaves_what_runs_and_restarts_what_died(
    stack_folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    first = await raise_up(stack_folder)
    assert await raise_up(stack_folder) == first

    for name in ("server", "worker"):
        before = read_stack(stack_folder)
        assert before
        running: Process = getattr(before, name)
        process = running.find()
        assert process
        process.kill()
        eventually(lambda: not getattr(status(stack_folder), name))  # noqa: B023 - called within the turn
        after = await raise_up(stack_folder)
        others = {"port", "database_url", "server", "worker"} - {name}
        assert after.model_dump(include=others) == before.model_dump(include=others)
        assert status(stack_folder).complete

    server = postmaster(stack_folder / "postgres")
    assert server
    server.kill()
    eventually(lambda: not status(stack_folder).postgres)
    await raise_up(stack_folder)
    assert status(stack_folder).complete


async def test_a_taken_port_is_changed_and_the_worker_told(
    stack_folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    first = await raise_up(stack_folder)
    await take_down(stack_folder)
    with socket.create_server(("127.0.0.1", first.port)):
        second = await raise_up(stack_folder)
    assert second.port != first.port
    eventually(lambda: second.temporal_address in last_lines(stack_folder / "logs" / "worker.log"))


async def test_the_parts_are_deaf_to_the_terminal_and_outlive_their_starter(stack_folder: Path) -> None:
    program = (
        # Children of a background job inherit a deaf ear to Ctrl-C; this one listens wherever the tests run.
        "import signal, sys; from pathlib import Path; from deploy.stack import up;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "up(Path(sys.argv[1]), ui=False, worker=sys.argv[2:]); import os; os.killpg(0, 2)"
    )
    command = [sys.executable, "-c", program, str(stack_folder), *WORKER]
    await asyncio.to_thread(
        subprocess.run, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert status(stack_folder).complete
    await client_of(stack_folder)


async def test_closed_histories_are_kept_for_auditors(stack_folder: Path) -> None:
    """A dev server's namespace forgets closed histories after a day; ours keeps them for decades."""
    await raise_up(stack_folder)
    client = await client_of(stack_folder)

    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))

    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION


def test_a_recycled_pid_is_left_alone(stack_folder: Path) -> None:
    stack_folder.mkdir()
    stranger = Process(pid=os.getpid(), started=1.0)
    stack = Stack(data=stack_folder, port=1, ui_port=None, virtual_time=False, server=stranger, worker=stranger)
    (stack_folder / "stack.json").write_text(stack.model_dump_json())
    assert not status(stack_folder).server
    down(stack_folder)  # had it believed the pid, this test would be dead


async def test_the_other_kind_of_time_needs_a_down_first(stack_folder: Path) -> None:
    await raise_up(stack_folder, virtual_time=True)
    with pytest.raises(StackError, match=r"is up with virtual time: stop it first \(`trial down`\)"):
        await raise_up(stack_folder, virtual_time=False)


async def test_a_worker_that_ends_at_once_is_told_with_its_last_words(stack_folder: Path) -> None:
    with pytest.raises(StackError, match=r"(?s)worker ended right after its start.*no module for this"):
        await asyncio.to_thread(
            up,
            stack_folder,
            ui=False,
            task_queue="trial",
            worker=(sys.executable, "-c", "raise SystemExit('no module for this')"),
        )


async def test_the_web_page_answers(stack_folder: Path) -> None:
    stack = await raise_up(stack_folder, ui=True)
    assert stack.ui_port
    _reader, writer = await asyncio.open_connection("127.0.0.1", stack.ui_port)
    writer.close()


async def test_after_down_the_settings_ask_for_up(stack_folder: Path) -> None:
    stack = await raise_up(stack_folder)
    assert load_settings(stack_folder, environment(stack)).temporal_address == stack.temporal_address
    await take_down(stack_folder)
    with pytest.raises(SettingsError, match="trial up"):
        load_settings(stack_folder, {})


def test_an_unreadable_stack_file_is_named(stack_folder: Path) -> None:
    stack_folder.mkdir()
    (stack_folder / "stack.json").write_text("{}")
    with pytest.raises(StackError, match=r"stack\.json is not readable"):
        read_stack(stack_folder)
    (stack_folder / "stack.json").unlink()


def test_down_on_nothing_is_no_error(tmp_path: Path) -> None:
    down(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
