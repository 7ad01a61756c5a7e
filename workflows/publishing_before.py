"""How workflows of earlier revisions publish: by local activities. Kept for the histories that began so."""

import asyncio
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityHandle

from schemas import names
from schemas.commands import Accepted
from schemas.messages import Publication, SlowPublication
from workflows.transactions import leave, transact
from workflows.unpublished import Unpublished

KEPT = 20
"""So many of the latest publications are kept: one that was too slow comes back with the next workflow task."""


class Awaiting:
    """
    Waits for each publication, as participants and arms did before revision 4, and studies before a patch (ADR 0015).

    A crash after the transaction publishes the same facts again; the ledger passes over what it has.
    """

    def __init__(self, unpublished: Unpublished[Any]) -> None:
        """Publish nothing yet."""
        self._unpublished = unpublished
        # Two publishers at once would publish the same facts in one history twice.
        self._publishing = asyncio.Lock()

    @property
    def urgent(self) -> bool:
        """See Publishing."""
        return self._unpublished.answers

    async def publish(self, next_at: datetime | None = None) -> None:
        """See Publishing; facts that arrive meanwhile are published, too."""
        async with self._publishing:
            while self._unpublished or next_at != self._unpublished.announced:
                await self._publish_batch(next_at)

    async def publish_before_leaving(self) -> None:
        """See Publishing."""
        async with self._publishing:
            while self._unpublished:
                await self._publish_batch(None)

    async def answer(self, accepted: Accepted) -> Accepted:
        """See Publishing."""
        return accepted

    async def settle(self) -> None:
        """See Publishing."""
        await self.publish_before_leaving()

    async def come_to_rest(self) -> None:
        """See Publishing; nothing is left to itself."""

    async def publish_again(self, slow: SlowPublication) -> None:
        """See Publishing; nothing is left to itself."""

    async def _publish_batch(self, next_at: datetime | None) -> None:
        publication = self._unpublished.peek(next_at)
        await transact(names.PUBLISH_FACTS, publication, local=True)
        self._unpublished.drop(len(publication.facts))


class Leaving:
    """
    Leaves each publication to the workflow task in which it is asked for, as revision 4 does (ADR 0016).

    One that is slow comes back as a signal with its number, and an activity makes it.
    """

    def __init__(self, unpublished: Unpublished[Any]) -> None:
        """Publish nothing yet."""
        self._unpublished = unpublished
        self._under_way: list[ActivityHandle[RawValue]] = []
        self._number = 0
        self._left: dict[int, Publication] = {}

    @property
    def urgent(self) -> bool:
        """See Publishing."""
        return self._unpublished.answers

    async def publish(self, next_at: datetime | None = None) -> None:
        """See Publishing."""
        if self._unpublished or next_at != self._unpublished.announced:
            self._leave(next_at)

    async def publish_before_leaving(self) -> None:
        """See Publishing."""
        if self._unpublished:
            self._leave(None)

    async def answer(self, accepted: Accepted) -> Accepted:
        """See Publishing."""
        return accepted

    async def settle(self) -> None:
        """See Publishing; by an activity, whose end is an event: it comes in the same order in a replay."""
        await self._publish_by_activity(self._numbered(None))

    async def publish_again(self, slow: SlowPublication) -> None:
        """
        See Publishing.

        What is published is what this run left under that number: a signal of an attempt that died, or of a run that
        was reset, cannot bring back what the history does not have.
        """
        publication = self._left.get(slow.number)
        if publication is not None and slow.run_id == workflow.info().run_id:
            await self._publish_by_activity(publication)

    async def _publish_by_activity(self, publication: Publication) -> None:
        try:
            await transact(names.PUBLISH_FACTS, publication)
        except ActivityError as error:
            if not isinstance(error.cause, ApplicationError) or error.cause.type != names.EARLIER_FACTS_MISSING:
                raise
            # Nothing else can bring them, and the workflow must go on: all that is known here is published once more.
            for known in (*self._left.values(), publication):
                await transact(names.PUBLISH_FACTS, known.model_copy(update={"over_gap": True}))

    async def come_to_rest(self) -> None:
        """
        See Publishing.

        Only after something else was waited for whose end is an event: then what was left has mostly ended with an
        earlier task. Were it under way when the workflow ends, the SDK would cancel it.
        """
        await workflow.wait_condition(lambda: all(publication.done() for publication in self._under_way))

    def _leave(self, next_at: datetime | None) -> None:
        publication = self._numbered(next_at)
        self._left[self._number] = publication
        self._left.pop(self._number - KEPT, None)
        if next_at is None:
            # A question may end this task here. Had it no event, a replay would take it and the next one as one; where
            # a moment is waited for, its timer is that event (ADR 0016).
            workflow.upsert_memo({"facts": self._unpublished.sequence})
        self._under_way = [left for left in self._under_way if not left.done()]
        self._under_way.append(leave(names.PUBLISH_FACTS, publication))

    def _numbered(self, next_at: datetime | None) -> Publication:
        self._number += 1
        return self._unpublished.take(next_at).model_copy(update={"number": self._number})
