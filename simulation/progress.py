"""
Lets the benchmark's driver, in the worker's own process, know that a bare workflow has passed a timer.

Only the yardstick may do this: it passes through the sandbox, and costs the bare workflow next to nothing. A clock that
is told to skip before a timer that is due has fired would leave the next timer behind.
"""

import asyncio
from collections import defaultdict

_loop: asyncio.AbstractEventLoop | None = None
_passed: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))


def begin() -> None:
    """Take the driver's event loop."""
    global _loop  # noqa: PLW0603 - one driver in one process
    _loop = asyncio.get_running_loop()


def passed_timer(workflow_id: str) -> None:
    """Say, from the workflow's thread, that a timer has fired."""
    if _loop is not None:
        _loop.call_soon_threadsafe(_release, workflow_id)


def _release(workflow_id: str) -> None:
    _passed[workflow_id].release()


async def timer_passed(workflow_id: str) -> None:
    """Wait for the next timer that fires."""
    await _passed[workflow_id].acquire()
