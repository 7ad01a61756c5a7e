"""
Virtual people who meet an outage: they wait a little, read again what is there, and go on.

Whether a command took effect may be unknown when its connection breaks. So nobody repeats one blindly: the worklist, or
the record, is read again, and says whether it is still to be done.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import RPCTimeoutOrCancelledError
from temporalio.service import RPCError

from activities import database
from activities.read_model import NotPublishedError, listen
from client.trial_client import NotReadyError, RefusedError
from schemas.problem import ProblemType
from schemas.protocol import Protocol
from schemas.state.arm import ArmState
from simulation.committee import VirtualCommittee
from simulation.people import VirtualParticipant
from simulation.site import Toxicity, VirtualSite, has_ended
from simulation.world import News, Seen, World

AWAY = (*database.AWAY, RPCError, RPCTimeoutOrCancelledError, NotReadyError, NotPublishedError)
"""What a person meets while the server, the database or the worker is away."""
TAKEN_BEFORE = (ProblemType.SUBJECT_ALREADY_ENROLLED, ProblemType.NO_DECISION_DUE)
"""How a command is refused that took effect before, though its answer was lost."""
TRY_AGAIN_SECONDS = 0.5
FORWARD_AGAIN_SECONDS = 10.0
"""After this a clock that was moved forward, and has not come to its timer, is moved again."""

Met = Counter[str]
"""How often each kind of error was met."""
Result = TypeVar("Result")


async def until_answered(act: Callable[[], Awaitable[Result]], met: Met) -> Result:
    """Act until nothing is away; `act` begins with reading what is there."""
    while True:
        try:
            return await act()
        except AWAY as error:
            met[type(error).__name__] += 1
        except RefusedError as refused:
            if refused.problem.type not in TAKEN_BEFORE:
                raise
            met[refused.problem.type.value] += 1
        await asyncio.sleep(TRY_AGAIN_SECONDS)


class PersistentSite(VirtualSite):
    """A site that goes on after an outage."""

    def __init__(
        self, world: World, protocol: Protocol, person: VirtualParticipant, toxicity: Toxicity, *, met: Met
    ) -> None:
        super().__init__(world, protocol, person, toxicity)
        self._met = met
        self._forwarded_at = 0.0

    async def enroll(self) -> None:
        """Enrol the participant, unless that has been done."""
        enroll = super().enroll

        async def enroll_once() -> None:
            if await self._world.observe(self._workflow_id) is None:
                await enroll()

        await until_answered(enroll_once, self._met)

    async def live(self, until: Callable[[str], bool] = has_ended) -> None:
        """Answer everything until the participant has ended (or reached another stage)."""
        live = super().live
        await until_answered(lambda: live(until), self._met)

    async def _let_time_pass(self, seen: Seen) -> None:
        """Move the clock to the next timer; again, when it has not come there after a while."""
        clock = asyncio.get_running_loop().time()
        if seen.next_at != self._forwarded:
            self._forwarded_at = clock
        elif clock - self._forwarded_at > FORWARD_AGAIN_SECONDS:
            self._forwarded, self._forwarded_at = None, clock
            self._world.clocks.correct(self._workflow_id, seen.at)
            self._met["forwarded again"] += 1
        await super()._let_time_pass(seen)


class PersistentCommittee(VirtualCommittee):
    """A committee that goes on after an outage."""

    def __init__(self, world: World, arm: str, *, met: Met) -> None:
        super().__init__(world, arm)
        self._met = met

    async def serve(self) -> ArmState:
        """Decide whenever a decision is asked for; return the arm's state when its escalation has ended."""
        return await until_answered(super().serve, self._met)


async def keep_listening(database_url: str, news: News) -> None:
    """Receive news until cancelled; after an outage everybody is woken, since some may have been lost."""
    while True:
        try:
            await _listen_until_lost(database_url, news)
        except database.AWAY:
            await asyncio.sleep(TRY_AGAIN_SECONDS)


async def _listen_until_lost(database_url: str, news: News) -> None:
    connection = await listen(database_url, news.receive)
    is_lost = asyncio.Event()
    connection.add_termination_listener(lambda *_: is_lost.set())
    news.wake_all()
    try:
        if not connection.is_closed():
            await is_lost.wait()
    finally:
        await connection.close()
