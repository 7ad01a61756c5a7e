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

from deploy.postgres import postmaster
from deploy.stack import Stack, status, up

PAUSE_SECONDS = (0.5, 9.0)
"""From the moment at which all parts run again to the next kill."""
AWAY_SECONDS = (0.0, 2.0)
"""From a kill to the part's new start."""
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


@dataclass(frozen=True)
class Killed:
    """A kill that was carried out: seconds until all parts were running again, and what had ended by itself before."""

    kill: Kill
    seconds: float
    ended_before: tuple[str, ...]


class PortTakenError(Exception):
    """Another program took the server's port while it was away: people would go on asking the old one."""


def draw_kills(count: int, chance: random.Random) -> deque[Kill]:
    """Draw kills in random order, as many of each part as of the others (one more or less)."""
    parts = list(Part)
    drawn = [parts[number % len(parts)] for number in range(count)]
    chance.shuffle(drawn)
    return deque(Kill(part, chance.uniform(*PAUSE_SECONDS), chance.uniform(*AWAY_SECONDS)) for part in drawn)


async def carry_out(kills: deque[Kill], stack: Stack, is_over: asyncio.Event, report: Callable[[Killed], None]) -> None:
    """
    Carry out kills, the first one first, until none is left or the trial is over; all parts run when this returns.

    Raises:
        PortTakenError: the server could not be started on its old port.
    """
    while kills and not await _is_set_within(is_over, kills[0].pause):
        kill, began = kills.popleft(), time.monotonic()
        ended_before = _ended(stack)
        await asyncio.to_thread(kill_now, stack, kill.part)
        await asyncio.sleep(kill.away)
        stack = await _started_again(stack)
        report(Killed(kill, time.monotonic() - began, ended_before))


def kill_now(stack: Stack, part: Part) -> None:
    """Kill a part in the middle of whatever is under way; return once it has gone."""
    process = _process(stack, part)
    if process is not None:
        process.kill()
        process.wait(GONE_SECONDS)


def _process(stack: Stack, part: Part) -> psutil.Process | None:
    """Return a part's process; of Postgres the one that starts the others, which then end by themselves."""
    match part:
        case Part.WORKER:
            return stack.worker.find() if stack.worker else None
        case Part.SERVER:
            return stack.server.find() if stack.server else None
        case Part.POSTGRES:
            return postmaster(stack.data / "postgres")
        case _:
            assert_never(part)


def _ended(stack: Stack) -> tuple[str, ...]:
    """Name the parts that do not run though nobody killed them."""
    return tuple(name for name, runs in status(stack.data).model_dump().items() if not runs)


async def _started_again(stack: Stack) -> Stack:
    again = await asyncio.to_thread(up, stack.data, ui=False, virtual_time=True, report=_silent)
    if again.port != stack.port:
        raise PortTakenError(f"another program has taken port {stack.port} of the Temporal server; run this once more")
    return again


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _silent(line: str) -> None:
    """Say nothing."""
