"""The embedded stack: a Temporal server, PostgreSQL and the worker, all on one data folder, without any service.

They run detached and are found again through `stack.json` in the data folder:

    data/stack.json     what runs, and where
    data/temporal.db    Temporal's event histories (SQLite)
    data/postgres/      PostgreSQL's data and log
    data/logs/          output of the server and the worker
"""

import asyncio
import fcntl
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from deploy.postgres import postmaster, start_postgres, stop_postgres
from deploy.processes import Process, last_lines, start_detached, stop
from deploy.server_build import Report
from deploy.temporal_server import find_server, server_command

WORKER = (sys.executable, "-m", "worker")
READY_LIMIT = 90.0
"""Seconds until a part must answer; a server on a busy machine with two cores takes up to 20."""
WORKER_GRACE = 30.0
"""Seconds that the worker has to finish the activities under way."""
SERVER_GRACE = 15.0
"""Seconds that the Temporal server has to close its database."""
RETENTION = timedelta(days=30 * 365)
"""How long closed histories are kept: gene-modified cells are followed up for 15 years, and records outlive that."""
PORT_LIMIT = 2.0
"""Seconds to wait for the port of a server that has just ended."""


class StackError(Exception):
    """The embedded stack can't do what was asked; the message names the part, and quotes the end of its log."""


class Stack(BaseModel):
    """An embedded stack, as `stack.json` records it. Ports stay the same from one `up` to the next if they are free."""

    model_config = ConfigDict(frozen=True)

    data: Path
    port: int
    ui_port: int | None
    namespace: str = "default"
    database_url: str = Field(default="", repr=False)
    virtual_time: bool
    server: Process | None = None
    worker: Process | None = None

    @property
    def temporal_address(self) -> str:
        """Host and port of the Temporal frontend."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str | None:
        """Address of Temporal's web page, or None when it runs without one."""
        return None if self.ui_port is None else f"http://127.0.0.1:{self.ui_port}"


class Status(BaseModel):
    """Which parts run."""

    model_config = ConfigDict(frozen=True)

    server: bool
    postgres: bool
    worker: bool

    @property
    def ready(self) -> bool:
        """Whether clients can work: the worker may be missing, its tasks wait for it."""
        return self.server and self.postgres

    @property
    def complete(self) -> bool:
        """Whether all parts run."""
        return self.ready and self.worker


def say(line: str) -> None:
    """Reports a step to the terminal."""
    print(f"stack: {line}", file=sys.stderr, flush=True)


def environment(stack: Stack) -> dict[str, str]:
    """The variables that point a process at this stack, and away from any Temporal profile of the user."""
    return {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TRIAL_DATABASE_URL": stack.database_url,
    }


def read_stack(data: Path) -> Stack | None:
    """What `stack.json` says, or None if there is none.

    Raises:
        StackError: the file is not one of ours.
    """
    file = data / "stack.json"
    try:
        return Stack.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackError(f"{file} is not readable as a stack; stop what it names, then delete it: {error}") from error


def status(data: Path) -> Status:
    """Which parts of the stack on a data folder run now."""
    stack = read_stack(data)
    return Status(
        server=_runs(stack.server if stack else None),
        postgres=postmaster(_postgres(data)) is not None,
        worker=_runs(stack.worker if stack else None),
    )


def up(
    data: Path,
    *,
    ui: bool = True,
    virtual_time: bool = False,
    task_queue: str | None = None,
    worker: Sequence[str] = WORKER,
    report: Report = say,
) -> Stack:
    """Starts the stack on a data folder, or those parts of it that do not run; returns when all of them answer.

    Blocks, for minutes if a Temporal server must be built first: from a coroutine, call it in a thread.

    Args:
        data: the data folder; made if missing.
        ui: with Temporal's web page (a server that already runs stays as it is).
        virtual_time: a server on which workflows may skip time; for simulations only.
        task_queue: also wait until the worker takes tasks from this queue.
        worker: the worker's command.
        report: takes a line for each step.

    Raises:
        StackError: a part did not start, or the stack is up with the other kind of time.
        ServerNotFoundError: there is no Temporal server, and none can be made.
        PostgresError: PostgreSQL did not start.
    """
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    with _alone(data):
        stack = _with_server(_planned(data, ui=ui, virtual_time=virtual_time), report)
        stack = _with_postgres(stack, report)
        stack = _with_worker(stack, worker, report)
        if task_queue is not None:
            _wait(stack, "worker", stack.worker, lambda: _worker_polls(stack, task_queue))
    return stack


def down(data: Path, report: Report = say) -> None:
    """Stops worker, server and PostgreSQL of a data folder, in this order, and returns when they have ended.

    The data stay, and so do the ports in `stack.json`. Not running is no error.

    Raises:
        PostgresError: PostgreSQL does not end even by force.
    """
    data = data.resolve()
    if not data.exists():
        return
    with _alone(data):
        stack = read_stack(data)
        for name, process, grace in (
            ("worker", stack and stack.worker, WORKER_GRACE),
            ("server", stack and stack.server, SERVER_GRACE),
        ):
            if process and not stop(process, grace):
                report(f"{name} did not end within {grace:.0f} seconds and was killed")
        stop_postgres(_postgres(data))
        if stack:
            _save(stack.model_copy(update={"server": None, "worker": None}))


def _planned(data: Path, *, ui: bool, virtual_time: bool) -> Stack:
    """The stack as recorded if its server runs; else one to be started, on the same ports where they are free."""
    old = read_stack(data)
    if old and _runs(old.server):
        if old.virtual_time != virtual_time:
            kind = "virtual" if old.virtual_time else "real"
            raise StackError(f"the stack on {data} is up with {kind} time: stop it first (`trial down`)")
        return old.model_copy(update={"data": data})
    port = _free_port(old.port if old else None)
    ui_port = _free_port(old.ui_port if old else None, but=port) if ui else None
    worker = old.worker if old else None
    if old and worker and port != old.port:
        stop(worker, WORKER_GRACE)  # it would go on asking the old address
        worker = None
    return Stack(data=data, port=port, ui_port=ui_port, virtual_time=virtual_time, worker=worker)


def _with_server(stack: Stack, report: Report) -> Stack:
    if _runs(stack.server):
        report(f"the Temporal server already runs at {stack.temporal_address}")
    else:
        command = server_command(
            find_server(report),
            port=stack.port,
            ui_port=stack.ui_port,
            database=stack.data / "temporal.db",
            virtual_time=stack.virtual_time,
            synchronous="full",
        )
        log = stack.data / "logs" / "temporal.log"
        started = start_detached(command, log=log, environment=_inherited(), folder=stack.data)
        stack = _save(stack.model_copy(update={"server": started}))
        report(f"starting the Temporal server at {stack.temporal_address}")
    _wait(stack, "temporal", stack.server, lambda: _temporal_answers(stack))
    asyncio.run(_keep_histories(stack))
    return stack


async def _keep_histories(stack: Stack) -> None:
    """Keeps closed histories as long as an auditor may ask for them: a new namespace forgets them after a day."""
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    config = NamespaceConfig()
    config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(namespace=stack.namespace, config=config), retry=True
    )


def _with_postgres(stack: Stack, report: Report) -> Stack:
    url = start_postgres(_postgres(stack.data))
    report(f"PostgreSQL runs at {url}")
    stack = _save(stack.model_copy(update={"database_url": url}))
    _wait(stack, "postgres", None, lambda: _postgres_answers(stack))
    return stack


def _with_worker(stack: Stack, command: Sequence[str], report: Report) -> Stack:
    if _runs(stack.worker):
        report("the worker already runs")
        return stack
    log = stack.data / "logs" / "worker.log"
    started = start_detached(command, log=log, environment=_inherited() | environment(stack), folder=stack.data)
    report("starting the worker")
    return _save(stack.model_copy(update={"worker": started}))


def _inherited() -> dict[str, str]:
    """Our environment without what would point a child at another Temporal."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


def _wait(stack: Stack, name: str, process: Process | None, answers: Callable[[], Awaitable[bool]]) -> None:
    """Asks a part until it answers; a part whose process ends meanwhile is not waited for."""
    log = stack.data / "logs" / f"{name}.log"
    deadline = time.monotonic() + READY_LIMIT
    while not asyncio.run(_within(answers, seconds=5.0)):
        if process and not _runs(process):
            raise StackError(f"{name} ended right after its start; the end of {log}:\n{last_lines(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{name} does not answer after {READY_LIMIT:.0f} seconds; see {log}:\n{last_lines(log)}")
        time.sleep(0.1)


async def _within(answers: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await answers()
    except (RuntimeError, RPCError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def _temporal_answers(stack: Stack) -> bool:
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=stack.namespace))
    return True


async def _postgres_answers(stack: Stack) -> bool:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


async def _worker_polls(stack: Stack, task_queue: str) -> bool:
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=stack.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    # The server remembers the pollers of an earlier worker for minutes: only a poll since the start counts.
    since = stack.worker.started if stack.worker else 0.0
    return any(poller.last_access_time.ToMicroseconds() / 1e6 >= since for poller in described.pollers)


def _runs(process: Process | None) -> bool:
    return process is not None and process.find() is not None


def _postgres(data: Path) -> Path:
    return data / "postgres"


def _save(stack: Stack) -> Stack:
    """Writes `stack.json` in one step: a reader sees the old or the new one, never half."""
    partial = stack.data / "stack.json.partial"
    partial.write_text(stack.model_dump_json(indent=2))
    partial.replace(stack.data / "stack.json")
    return stack


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Holds the folder's lock: of two `up` or `down` at once, the second waits."""
    with (data / "stack.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_port(wanted: int | None = None, but: int | None = None) -> int:
    """The wanted port of 127.0.0.1 if it is free, else any that is (and is not `but`)."""
    deadline = time.monotonic() + PORT_LIMIT
    while wanted and wanted != but and time.monotonic() < deadline:
        if _bind(wanted):
            return wanted
        time.sleep(0.1)  # a killed server's threads let go of it one by one
    for _attempt in range(20):
        found = _bind(0)
        if found and found != but:
            return found
    raise StackError("no free port on 127.0.0.1")


def _bind(port: int) -> int | None:
    """The port (any free one for 0) if it can be had, else None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
