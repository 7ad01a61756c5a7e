"""One trial of virtual people, while parts of its stack are killed; verified once everybody has ended."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from activities import database
from activities.database import open_pool
from activities.read_model import fact_count
from client.converter import DATA_CONVERTER
from client.trial_client import TrialClient
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack_file import Stack
from deploy.temporal_client import connect_temporal
from protocols.loader import default_protocol_path, load_protocol
from simulation.committee import decide_all
from simulation.demo import SITES, STORIES, STUDY, TOXICITIES, UNITS_PER_TARGET
from simulation.kills import Kill, KilledStack, Report
from simulation.people import draw_population
from simulation.persistence import Met, PersistentCommittee, PersistentSite, keep_listening, until_answered
from simulation.trial import fill_bank, run_participants, start_study
from simulation.verification import verify
from simulation.world import News, World

STALLED_SECONDS = 180.0
"""A trial in which nobody has published a fact for so long has lost a step."""
TRIAL_SECONDS = 25 * 60.0
"""A trial that takes longer than this does not come to its end."""
WATCH_SECONDS = 2.0


class FaultyTrial:
    """A trial; `run` returns its violations, each in a sentence."""

    def __init__(self, seed: int, participants: int, kills: deque[Kill], report: Report, *, seconds: float) -> None:
        """Draw the participants; kills are taken from the front, but for no longer than so many seconds."""
        self.met = Met()
        self._kills, self._report, self._seconds = kills, report, seconds
        self._loaded = load_protocol(default_protocol_path())
        self._arms = [arm.id for arm in self._loaded.protocol.arms]
        self._targets = [target for arm in self._loaded.protocol.arms for target in arm.targets]
        self._people = draw_population(seed, SITES, self._targets, STORIES[:participants])
        self._violations: list[str] = []

    async def run(self, stack: Stack) -> list[str]:
        """Run the trial on a stack of its own, and verify it."""
        async with _world(stack) as world:
            await fill_bank(world.pool, self._loaded, self._targets, units=UNITS_PER_TARGET)
            await start_study(world, self._loaded)
            parts = KilledStack(stack)
            supervision = asyncio.create_task(parts.supervise())
            await self._run_with_kills(world, parts)
            self._violations += await verify(world, self._arms, [person.subject for person in self._people])
            supervision.cancel()
            self.met.update(f"{part.value} ended by itself" for part in parts.ended)
        return self._violations

    async def _run_with_kills(self, world: World, parts: KilledStack) -> None:
        is_over = asyncio.Event()
        asyncio.get_running_loop().call_later(self._seconds, is_over.set)
        killing = asyncio.create_task(parts.carry_out(self._kills, is_over, self._report))
        living = asyncio.create_task(self._live(world))
        watching = asyncio.create_task(_until_stalled(world))
        await asyncio.wait([living, watching], return_when=asyncio.FIRST_COMPLETED)
        is_over.set()
        await killing
        if watching.done():
            self._violations.append(watching.result())
        for task in (living, watching):
            task.cancel()
        (ended, _) = await asyncio.gather(living, watching, return_exceptions=True)
        if isinstance(ended, Exception):
            self._violations += [f"a virtual person met {error!r}" for error in _leaves(ended)]

    async def _live(self, world: World) -> None:
        """Run everybody through the schedule, and let the committee decide on what it is asked."""
        async with asyncio.TaskGroup() as group:
            committee = group.create_task(decide_all(world, self._arms, partial(PersistentCommittee, met=self.met)))
            make_site = partial(PersistentSite, met=self.met)
            await run_participants(world, self._loaded, self._people, TOXICITIES, make_site)
            await until_answered(lambda: _all_decided(world, self._arms), self.met)
            committee.cancel()


@asynccontextmanager
async def _world(stack: Stack) -> AsyncIterator[World]:
    client = await connect_temporal(embedded_services(stack.data), DATA_CONVERTER)
    pool = await open_pool(stack.database_url)
    await migrate(pool)
    news = News()
    listening = asyncio.create_task(keep_listening(stack.database_url, news))
    yield World(TrialClient(client, STUDY), pool, news)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await pool.close()


async def _all_decided(world: World, arms: Sequence[str]) -> None:
    """Wait until no arm asks its committee for anything; with few participants an arm need not come to its end."""
    while [arm for arm in arms if (await world.arm_state(arm)).tasks]:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(WATCH_SECONDS)


async def _until_stalled(world: World) -> str:
    """Return, once the trial does not go on, how long it has not."""
    clock = asyncio.get_running_loop().time
    began = since = clock()
    latest = 0
    while clock() - since < STALLED_SECONDS:
        await asyncio.sleep(WATCH_SECONDS)
        if clock() - began > TRIAL_SECONDS:
            return f"the trial was not over after {TRIAL_SECONDS:.0f} s"
        try:
            count = await fact_count(world.pool, world.client.study)
        except database.AWAY:
            continue
        if count != latest:
            latest, since = count, clock()
    return f"the trial stalled: no fact was published for {STALLED_SECONDS:.0f} s"


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]
