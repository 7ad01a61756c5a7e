"""Whether the parts of an embedded stack answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from deploy.errors import StackError
from deploy.processes import is_running, last_lines
from deploy.stack_file import Process, Stack

READY_LIMIT = 90.0
"""Seconds until a part must answer; a server on a busy machine with two cores takes up to 20."""
ANSWER_LIMIT = 5.0
"""Seconds that one question may take."""
BETWEEN_QUESTIONS = 0.1
"""Seconds from one question to the next."""


def wait_for_server(stack: Stack) -> None:
    """Returns when the Temporal server answers and has its namespace.

    Raises:
        StackError: its process ended, or it does not answer after 90 seconds; the end of its log is quoted.
    """
    _wait(stack, "temporal", stack.server, lambda: _server_answers(stack))


def wait_for_worker(stack: Stack, task_queue: str) -> None:
    """Returns when the worker takes tasks from a queue.

    Raises:
        StackError: its process ended, or it does not after 90 seconds; the end of its log is quoted.
    """
    _wait(stack, "worker", stack.worker, lambda: _worker_polls(stack, task_queue))


def _wait(stack: Stack, name: str, process: Process | None, answers: Callable[[], Awaitable[bool]]) -> None:
    log = stack.data / "logs" / f"{name}.log"
    deadline = time.monotonic() + READY_LIMIT
    while not asyncio.run(_answers_in_time(answers)):
        if not is_running(process):
            raise StackError(f"{name} ended right after its start; the end of {log}:\n{last_lines(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{name} does not answer after {READY_LIMIT:.0f} seconds; see {log}:\n{last_lines(log)}")
        time.sleep(BETWEEN_QUESTIONS)


async def _answers_in_time(answers: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            return await answers()
    except (RuntimeError, RPCError, OSError):
        return False


async def _server_answers(stack: Stack) -> bool:
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=stack.namespace))
    return True


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
