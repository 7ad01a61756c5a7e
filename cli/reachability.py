"""Which parts of the trial's surroundings run: those of the embedded stack, or those that the environment names."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cli.call import Call
from cli.connection import database, temporal
from cli.exit_codes import Exit
from cli.failures import failure_of

if TYPE_CHECKING:
    from temporalio.client import Client

# What is connected to is slow to load.
# ruff: noqa: PLC0415

POLLED_WITHIN = 70.0
"""Seconds in which a worker that runs has polled: it waits for a task for 60 at most."""

Answer = TypeVar("Answer")


@dataclass
class Reachability:
    """Which parts run, what is wrong with those that do not, and which publications wait."""

    running: dict[str, bool]
    problems: list[str] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)

    @property
    def code(self) -> Exit:
        """The exit code that says so."""
        if not (self.running["server"] and self.running["postgres"]):
            return Exit.UNREACHABLE
        return Exit.WAITING if self.waiting else Exit.OK

    async def ask(self, work: Awaitable[Answer]) -> Answer | None:
        """Return an answer; None, with its problem added to `problems`, where somebody does not answer."""
        try:
            return await work
        except Exception as error:
            failed = failure_of(error)
            if failed is None or failed.code is not Exit.UNREACHABLE:
                raise
            self.problems.append(str(failed))
            return None


async def reachability(call: Call) -> Reachability:
    """Find out which parts run, and read which publications wait."""
    from deploy.settings import load_settings

    settings = load_settings()
    named = settings.chooses_temporal or settings.database_url is not None
    return await _of_environment(call) if named else await _of_embedded_stack(call)


async def _of_embedded_stack(call: Call) -> Reachability:
    from deploy.status import status

    found = Reachability(status(call.data_folder).model_dump())
    if found.running["postgres"]:
        found.waiting = await found.ask(_waiting(call)) or []
    return found


async def _of_environment(call: Call) -> Reachability:
    found = Reachability({})
    waiting = await found.ask(_waiting(call))
    client = await found.ask(temporal(call))
    polls = None if client is None else await found.ask(_worker_polls(client))
    found.running = {"server": client is not None, "postgres": waiting is not None, "worker": bool(polls)}
    found.waiting = waiting or []
    return found


async def _waiting(call: Call) -> list[dict[str, Any]]:
    from activities.read_model import waiting_publications

    async with database(call) as connection:
        return await waiting_publications(connection)


async def _worker_polls(client: "Client") -> bool:
    """Return whether a worker has asked for workflow tasks of late."""
    from time import time

    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    from schemas.names import TASK_QUEUE

    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    described = await client.workflow_service.describe_task_queue(request)
    latest = max((poller.last_access_time.ToMicroseconds() / 1e6 for poller in described.pollers), default=0.0)
    return time() - latest < POLLED_WITHIN
