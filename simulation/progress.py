"""
Lets the benchmark's driver know that a bare workflow, in another process, has passed a timer.

Only the yardstick may do this: it passes through the sandbox, and costs the bare workflow next to nothing. A clock that
is told to skip before a timer that is due has fired would leave the next timer behind.
"""

import asyncio
import os
import socket
from collections import defaultdict
from pathlib import Path

ADDRESS = "TRIAL_BENCH_PROGRESS"
"""The environment variable that names the driver's socket."""
_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def passed_timer(workflow_id: str) -> None:
    """Say, from the workflow's thread, that a timer has fired."""
    _sender.sendto(workflow_id.encode(), os.environ[ADDRESS])


class Progress(asyncio.DatagramProtocol):
    """The driver's end of it."""

    def __init__(self) -> None:
        """Begin with no timer passed."""
        self._passed: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's signature
        """Note a timer."""
        self._passed[data.decode()].release()

    async def timer_passed(self, workflow_id: str) -> None:
        """Wait for the next timer that fires."""
        await self._passed[workflow_id].acquire()


async def follow(path: Path) -> tuple[asyncio.DatagramTransport, Progress]:
    """Open the driver's end on a socket file."""
    return await asyncio.get_running_loop().create_datagram_endpoint(
        Progress, local_addr=str(path), family=socket.AF_UNIX
    )
