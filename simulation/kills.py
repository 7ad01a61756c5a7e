"""Parts of the embedded stack killed with -9 at random moments, and started again."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import psutil

from deploy.errors import DeployError
from deploy.postgres import postmaster
from deploy.processes import find_process
from deploy.stack import up
from deploy.stack_file import Stack, postgres_folder

PAUSE_SECONDS = (0.5, 9.0)
"""From the moment at which all parts run again to the next kill."""
AWAY_SECONDS = (0.0, 2.0)
"""From a kill to the part's new start."""
SUPERVISION_SECONDS = 1.0
GONE_SECONDS = 10.0
"""For a killed process to be gone."""


class Part(StrEnum):
    """What is killed."""

    WORKER = "worker"
    SERVER = "server"
    POSTGRES = "postgres"


@dataclass(frozen=True)
class Kill:
    """One kill: of which part, after which pause, and for how long nobody starts it again (seconds)."""

    part: Part
    pause: float
    away: float


Report = Callable[[Kill, float], None]
"""Takes a kill that was carried out, and the seconds until all parts were running again."""


class PortTakenError(Exception):
    """Another program took the server's port while it was away: people would go on asking the old one."""


def draw_kills(count: int, chance: random.Random) -> deque[Kill]:
    """Draw kills in random order, as many of each part as of the others (one more or less)."""
    parts = list(Part)
    drawn = [parts[number % len(parts)] for number in range(count)]
    chance.shuffle(drawn)
    return deque(Kill(part, chance.uniform(*PAUSE_SECONDS), chance.uniform(*AWAY_SECONDS)) for part in drawn)


class KilledStack:
    """A stack whose parts are killed, and started again."""

    def __init__(self, stack: Stack) -> None:
        """Begin with all parts running."""
        self._stack = stack
        self._outage = asyncio.Lock()
        self.ended: list[Part] = []
        """Parts that ended though nobody killed them, such as a worker that starts while Postgres is away."""

    async def carry_out(self, kills: deque[Kill], is_over: asyncio.Event, report: Report) -> None:
        """
        Carry out kills, the first one first, until none is left or the trial is over; all parts run when this returns.

        Raises:
            PortTakenError: the server could not be started on its old port.
        """
        while kills and not await _is_set_within(is_over, kills[0].pause):
            async with self._outage:
                kill, began = kills.popleft(), time.monotonic()
                await asyncio.to_thread(self._kill, kill.part)
                await asyncio.sleep(kill.away)
                await self._start_again()
            report(kill, time.monotonic() - began)

    async def supervise(self) -> None:
        """Start again what ends by itself, as a system's service manager does, until cancelled."""
        while True:
            await asyncio.sleep(SUPERVISION_SECONDS)
            async with self._outage:
                if ended := [part for part in Part if self._process(part) is None]:
                    self.ended += ended
                    await self._start_again()

    def _kill(self, part: Part) -> None:
        """Kill a part in the middle of whatever is under way; return once it has gone."""
        process = self._process(part)
        if process is not None:
            process.kill()
            process.wait(GONE_SECONDS)

    def _process(self, part: Part) -> psutil.Process | None:
        """Return a part's process; of Postgres the one that starts the others, which then end by themselves."""
        match part:
            case Part.WORKER:
                return find_process(self._stack.worker) if self._stack.worker else None
            case Part.SERVER:
                return find_process(self._stack.server) if self._stack.server else None
            case Part.POSTGRES:
                return postmaster(postgres_folder(self._stack.data))
            case _:
                assert_never(part)

    async def _start_again(self) -> None:
        port = self._stack.port
        try:
            self._stack = await asyncio.to_thread(_up, self._stack)
        except DeployError:
            # On a machine that is too busy for the time limit; what has been started goes on starting.
            self._stack = await asyncio.to_thread(_up, self._stack)
        if self._stack.port != port:
            raise PortTakenError(f"another program has taken port {port} of the Temporal server; run this once more")


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _up(stack: Stack) -> Stack:
    return up(stack.data, ui=False, virtual_time=True, report=_silent)


def _silent(line: str) -> None:
    """Say nothing."""
