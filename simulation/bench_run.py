"""One run of the benchmark: how long it took, and what it took from the worker."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import psutil


class Run(NamedTuple):
    """What a run of so many journeys took."""

    journeys: int
    seconds: float
    worker_seconds: float
    """The processor time of the worker."""
    latencies: list[float]
    """Of each update, in milliseconds."""

    @property
    def rate(self) -> float:
        """Journeys per second."""
        return self.journeys / self.seconds

    @property
    def worker_ms(self) -> float:
        """The worker's processor time for each journey, in milliseconds."""
        return 1000 * self.worker_seconds / self.journeys


async def timed(worker: psutil.Process, count: int, together: int, one: Callable[[int], Awaitable[None]]) -> Run:
    """Do something for the numbers from 1 to `count`, `together` at a time; latencies are for the caller to add."""
    gate = asyncio.Semaphore(together)

    async def gated(number: int) -> None:
        async with gate:
            await one(number)

    began, worked = time.perf_counter(), cpu_seconds(worker)
    await asyncio.gather(*(gated(number) for number in range(1, count + 1)))
    return Run(count, time.perf_counter() - began, cpu_seconds(worker) - worked, [])


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time that a process has taken."""
    times = process.cpu_times()
    return times.user + times.system
