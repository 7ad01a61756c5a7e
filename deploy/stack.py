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
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client

from deploy.data_folder import prepare_data_folder
from deploy.database import connect_database
from deploy.errors import StackError
from deploy.migrate import migrate
from deploy.ports import free_port
from deploy.postgres import start_postgres, stop_postgres
from deploy.processes import is_running, start_detached, stop_process
from deploy.readiness import wait_for_server, wait_for_worker
from deploy.report import Report, printer
from deploy.server_command import server_command
from deploy.services import Services
from deploy.stack_file import Stack, postgres_folder, read_stack, save_stack
from deploy.temporal_server import find_server

WORKER = (sys.executable, "-m", "worker")
WORKER_GRACE = 30.0
"""Seconds that the worker has to finish the activities under way."""
SERVER_GRACE = 15.0
"""Seconds that the Temporal server has to close its database."""
REPORT = printer("stack")
RETENTION = timedelta(days=30 * 365)
"""How long closed histories are kept: gene-modified cells are followed up for 15 years, and records outlive that."""


def environment(stack: Stack) -> dict[str, str]:
    """The variables that point a process at this stack, and away from any Temporal profile of the user."""
    return {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TRIAL_DATABASE_URL": stack.database_url,
    }


def up(
    data: Path,
    *,
    ui: bool = True,
    virtual_time: bool = False,
    task_queue: str | None = None,
    worker: Sequence[str] = WORKER,
    report: Report = REPORT,
) -> Stack:
    """Starts the stack on a data folder, or those parts of it that do not run, and brings the database up to date.

    Returns when all parts answer. Blocks, for minutes if a Temporal server must be built first: from a coroutine, call
    it in a thread. When a part fails, the others go on running: `down` stops them.

    Args:
        data: the data folder; made if missing.
        ui: with Temporal's web page (a server that already runs stays as it is).
        virtual_time: a server on which workflows may skip time; for simulations only.
        task_queue: also wait until the worker takes tasks from this queue.
        worker: the worker's command.
        report: takes a line for each step.

    Raises:
        DataFolderError: the folder was written by another version or belongs to another user.
        DatabaseVersionError: the database was set up by another version.
        StackError: a part did not start, or the stack is up with the other kind of time.
        ServerNotFoundError: there is no Temporal server, and none can be made.
        PostgresError: PostgreSQL did not start.
    """
    data = data.resolve()
    prepare_data_folder(data)
    with _locked(data):
        stack = _with_server(_planned(data, ui=ui, virtual_time=virtual_time), report)
        # PostgreSQL starts while the server does.
        stack = _with_postgres(stack, report)
        wait_for_server(stack)
        asyncio.run(_keep_histories(stack))
        stack = _with_worker(stack, worker, report)
        if task_queue is not None:
            wait_for_worker(stack, task_queue)
    return stack


def down(data: Path, report: Report = REPORT) -> None:
    """Stops worker, server and PostgreSQL of a data folder, in this order, and returns when they have ended.

    The data stay, and so do the ports in `stack.json`. Not running is no error.

    Raises:
        DataFolderError: the folder was written by another version or belongs to another user.
        PostgresError: PostgreSQL does not end even by force.
    """
    data = data.resolve()
    if not data.exists():
        return
    prepare_data_folder(data)
    with _locked(data):
        stack = read_stack(data)
        for name, process, grace in (
            ("worker", stack and stack.worker, WORKER_GRACE),
            ("server", stack and stack.server, SERVER_GRACE),
        ):
            if process and not stop_process(process, grace):
                report(f"{name} did not end within {grace:.0f} seconds and was killed")
        stop_postgres(postgres_folder(data))
        if stack:
            save_stack(stack.model_copy(update={"server": None, "worker": None}))


def _planned(data: Path, *, ui: bool, virtual_time: bool) -> Stack:
    """The stack as recorded if its server runs; else one to be started, on the same ports where they are free."""
    old = read_stack(data)
    if old and is_running(old.server):
        if old.virtual_time != virtual_time:
            kind = "virtual" if old.virtual_time else "real"
            raise StackError(f"the stack on {data} is up with {kind} time: stop it first (`trial down`)")
        return old
    port = free_port(old.port if old else None)
    ui_port = free_port(old.ui_port if old else None, but=port) if ui else None
    worker = old.worker if old else None
    if old and worker and port != old.port:
        stop_process(worker, WORKER_GRACE)  # it would go on asking the old address
        worker = None
    return Stack(data=data, port=port, ui_port=ui_port, virtual_time=virtual_time, worker=worker)


def _with_server(stack: Stack, report: Report) -> Stack:
    """Starts the server's process, if it does not run; it does not answer yet."""
    if is_running(stack.server):
        report(f"the Temporal server already runs at {stack.temporal_address}")
        return stack
    command = server_command(
        find_server(report),
        port=stack.port,
        ui_port=stack.ui_port,
        database=stack.data / "temporal.db",
        virtual_time=stack.virtual_time,
        synchronous="full",
    )
    log = stack.data / "logs" / "temporal.log"
    report(f"starting the Temporal server at {stack.temporal_address}")
    started = start_detached(command, log=log, environment=_inherited(), folder=stack.data)
    return save_stack(stack.model_copy(update={"server": started}))


async def _keep_histories(stack: Stack) -> None:
    """Keeps closed histories as long as an auditor may ask for them: a new namespace forgets them after a day."""
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    config = NamespaceConfig()
    config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(namespace=stack.namespace, config=config), retry=True
    )


def _with_postgres(stack: Stack, report: Report) -> Stack:
    """Starts PostgreSQL, if it does not run, and brings the database up to date."""
    url = start_postgres(postgres_folder(stack.data))
    report(f"PostgreSQL runs at {url}")
    stack = save_stack(stack.model_copy(update={"database_url": url}))
    if applied := asyncio.run(_migrate(stack)):
        report(f"applied to the database: {', '.join(applied)}")
    return stack


async def _migrate(stack: Stack) -> list[str]:
    pool = await connect_database(Services(source="embedded", database_url=stack.database_url, stack=stack))
    try:
        return await migrate(pool)
    finally:
        await pool.close()


def _with_worker(stack: Stack, command: Sequence[str], report: Report) -> Stack:
    if is_running(stack.worker):
        report("the worker already runs")
        return stack
    log = stack.data / "logs" / "worker.log"
    report("starting the worker")
    started = start_detached(command, log=log, environment=_inherited() | environment(stack), folder=stack.data)
    return save_stack(stack.model_copy(update={"worker": started}))


def _inherited() -> dict[str, str]:
    """Our environment without what would point a child at another Temporal."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Holds the folder's lock: of two `up` or `down` at once, the second waits."""
    with (data / "stack.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
