"""How a workflow's facts come into its history, and from there to people (ADR 0018)."""

import asyncio
from datetime import datetime
from typing import Any, Protocol

from temporalio import workflow

from schemas import names
from schemas.commands.commands import Accepted
from schemas.messages import Publication, Recorded, SlowPublication
from workflows.unpublished import Unpublished


class Publishing(Protocol):
    """A way of publishing; workflows keep the one that they began with."""

    @property
    def urgent(self) -> bool:
        """Whether something must be published before the workflow awaits something else than people or time."""

    async def publish(self, next_at: datetime | None = None) -> None:
        """Publish what is unpublished, in order, and when the workflow acts next by itself."""

    async def publish_before_leaving(self) -> None:
        """Publish before awaiting something else than people or time: nobody may see an answered task meanwhile."""

    async def answer(self, accepted: Accepted) -> Accepted:
        """Return the answer to a command as it is to be sent, if the main loop is about to publish."""

    async def settle(self) -> None:
        """Publish all that is left before the run ends, and wait until it is safe."""

    async def come_to_rest(self) -> None:
        """Wait for what was left to itself, before the workflow ends."""

    async def publish_again(self, slow: SlowPublication) -> None:
        """Publish what was left to itself, and was too slow."""


class Noting:
    """
    Notes facts in the history, and hands them to the process that the workflow runs in; waits for nothing.

    The facts of a task go with the answer to an update that the same task takes, or else into a memo. Either is an
    event, and names the facts without any code. Which one it is depends on the history alone: a replay does the same.
    """

    def __init__(self, unpublished: Unpublished[Any]) -> None:
        """Begin with nobody who waits for an answer."""
        self._unpublished = unpublished
        self._answers: list[asyncio.Future[Recorded | None]] = []

    @property
    def urgent(self) -> bool:
        """See Publishing."""
        return bool(self._answers) or self._unpublished.answers

    async def publish(self, next_at: datetime | None = None) -> None:
        """See Publishing."""
        if self._unpublished or next_at != self._unpublished.announced:
            self._note(next_at)

    async def publish_before_leaving(self) -> None:
        """See Publishing."""
        if self._unpublished:
            self._note(None)

    async def answer(self, accepted: Accepted) -> Accepted:
        """Return the answer to a command with the facts of this task, once they are published."""
        if not self._unpublished:
            return accepted
        answer: asyncio.Future[Recorded | None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        return accepted.model_copy(update={names.RECORDED: await answer})

    async def settle(self) -> None:
        """See Publishing; what is noted is safe."""
        await self.publish_before_leaving()

    async def come_to_rest(self) -> None:
        """See Publishing; nothing is left to itself."""

    async def publish_again(self, slow: SlowPublication) -> None:
        """See Publishing; nothing is left to itself."""

    def _note(self, next_at: datetime | None) -> None:
        publication = self._unpublished.take(next_at)
        recorded = _recorded(publication)
        if self._answers:
            first, *others = self._answers
            self._answers.clear()
            first.set_result(recorded)
            for other in others:
                other.set_result(None)
        else:
            workflow.upsert_memo({names.RECORDED: recorded})
        self._unpublished.hand_on(publication)


def _recorded(publication: Publication) -> Recorded:
    return Recorded.model_construct(
        first_sequence=publication.first_sequence,
        facts=publication.facts,
        at=publication.at,
        next_at=publication.next_at,
    )
