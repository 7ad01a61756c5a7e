"""
The read model follows the event histories (ADR 0018).

A worker hands on what its workflows note as they note it, so that people see it within milliseconds. What gets lost
with a process, or with a database, is found in the histories themselves: they have everything on record.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import structlog

from activities.ledger import Ledger
from schemas.messages import Publication

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""How long to wait, in seconds, before trying again what failed; the last one again and again."""
HISTORY_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""
How long to wait, in seconds, for a history to have what was handed on: it is handed on before its workflow task ends.
One that never comes belongs to a task that died; whoever does it again hands on what it comes to then.
"""
WAITING_AT_MOST = 20
"""So many publications of a workflow wait for the database; beyond, the history is read once it is back."""
AT_ONCE = 4
"""So many publications are written at the same time: the activities need connections, too."""
TASK_SECONDS = 15.0
"""How long the read model may be ahead of a history: longer than a workflow task may take."""
LOOK_AROUND_SECONDS = 600.0
LOOK_AROUND_SOON_SECONDS = 5.0
"""When to look around again, if it has failed."""
LOOK_BACK = timedelta(days=7)
"""Workflows that were closed longer ago are taken as followed to their end."""
EVER = datetime(1970, 1, 2, tzinfo=UTC)
DRAIN_SECONDS = 10.0


class Record(Protocol):
    """What the histories have on record."""

    async def publications(self, workflow_id: str) -> list[Publication]:
        """Return all that a workflow has on record, in order."""

    def workflows(self, since: datetime, study: str | None = None) -> AsyncIterator[tuple[str, str]]:
        """Return workflow and run of all that are open, or were closed since."""

    async def latest(self, workflow_id: str, run_id: str) -> Publication | None:
        """Return the latest facts that a workflow has noted, up to this run; None, if it does not note them."""


class Look(NamedTuple):
    """A workflow's history is to be read: it has, or will have, facts up to this number."""

    until: int
    no_further: bool = False
    """Whether what is shown beyond them is to be taken back."""


class Projection:
    """Brings publications into the read model, each workflow's in their order, for as long as it takes."""

    def __init__(self, ledger: Ledger, record: Record) -> None:
        """Write by the ledger, and read the record where needed."""
        self._ledger, self._record = ledger, record
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, list[Publication | Look]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def offer(self, publication: Publication) -> None:
        """Take a publication, from any thread."""
        self._loop.call_soon_threadsafe(self._add, publication.workflow_id, publication)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look around for what got lost, now and then; at the end finish what waits."""
        around = asyncio.create_task(self._look_around_for_ever())
        try:
            yield
        finally:
            around.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(around, *self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ looking around

    async def look_around(self, since: datetime, study: str | None = None) -> int:
        """
        Have every workflow followed whose read model is not what its history says; return how many.

        One that is ahead of its history may be about to be caught up with: it is followed if it still is after a while.
        """
        behind, ahead = 0, []
        async for workflow_id, run_id in self._record.workflows(since, study):
            latest = await self._latest_not_shown(workflow_id, run_id)
            if latest is not None and await self._ledger.has(workflow_id) > latest:
                ahead.append((workflow_id, latest))
            elif latest is not None:
                behind += 1
                self._add(workflow_id, Look(latest))
        if ahead:
            await asyncio.sleep(TASK_SECONDS)
        for workflow_id, before in ahead:
            if await self._latest_not_shown(workflow_id, "") == before:
                behind += 1
                self._add(workflow_id, Look(before, no_further=True))
        return behind

    async def _latest_not_shown(self, workflow_id: str, run_id: str) -> int | None:
        """Return the number of a workflow's latest fact, if people are shown something else."""
        try:
            latest = await self._record.latest(workflow_id, run_id)
            return None if latest is None or await self._ledger.stands(latest) else latest.last_sequence
        except Exception as error:  # noqa: BLE001 - the others are looked at all the same
            log = structlog.get_logger().bind(workflow_id=workflow_id)
            log.warning("not_looked_at", error=f"{type(error).__name__}: {error}")
            return None

    async def rebuild(self, study: str) -> AsyncIterator[str]:
        """Write all that the histories of a study have on record anew; return each workflow when it is done."""
        async for workflow_id, _run_id in self._record.workflows(EVER, study):
            recorded = await self._record.publications(workflow_id)
            if recorded:
                await self._ledger.rewrite(recorded)
            yield workflow_id

    async def _look_around_for_ever(self) -> None:
        while True:
            pause = LOOK_AROUND_SECONDS
            try:
                behind = await self.look_around(datetime.now(UTC) - LOOK_BACK)
                if behind:
                    structlog.get_logger().info("read_model_behind", workflows=behind)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                structlog.get_logger().warning("looking_around_failed", error=f"{type(error).__name__}: {error}")
                pause = LOOK_AROUND_SOON_SECONDS
            await asyncio.sleep(pause)

    # ------------------------------------------------------------------ one workflow after the other

    def _add(self, workflow_id: str, what: Publication | Look) -> None:
        waiting = self._waiting.setdefault(workflow_id, [])
        waiting.append(what)
        if len(waiting) == 1:
            task = asyncio.create_task(self._serve(workflow_id, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif len(waiting) > WAITING_AT_MOST:
            # What is dropped here is missing before the last one, which has the history read.
            del waiting[1:-1]

    async def _serve(self, workflow_id: str, waiting: list[Publication | Look]) -> None:
        while waiting:
            await self._bring(workflow_id, waiting[0])
            waiting.pop(0)
        del self._waiting[workflow_id]

    async def _bring(self, workflow_id: str, what: Publication | Look) -> None:
        attempt = 0
        while True:
            try:
                async with self._room:
                    is_written = isinstance(what, Publication) and await self._ledger.write_new(what)
                if not is_written:
                    await self._follow(workflow_id, what if isinstance(what, Look) else Look(what.last_sequence))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is shown and tried again
                log = structlog.get_logger().bind(workflow_id=workflow_id)
                log.warning("publication_waits", attempt=attempt + 1, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1

    async def _follow(self, workflow_id: str, look: Look) -> None:
        """Have the read model say what the history says, once it has come so far, or does not seem to any more."""
        recorded: list[Publication] = []
        for pause in HISTORY_PAUSES:
            recorded = await self._record.publications(workflow_id)
            if recorded and recorded[-1].last_sequence >= look.until:
                break
            await asyncio.sleep(pause)
        if recorded:
            no_further = look.no_further and recorded[-1].last_sequence == look.until
            async with self._room:
                await self._ledger.follow(recorded, no_further=no_further)
