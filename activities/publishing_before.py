"""The activity by which workflows of earlier revisions publish (ADR 0016)."""

import asyncio

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.ledger import EarlierFactsMissingError, Ledger
from schemas import names
from schemas.messages import Publication, Recorded, SlowPublication

PATIENCE_SECONDS = 1.5
"""How long a workflow task is held up by its publication: it is renewed after 8 of its 10 seconds (ADR 0015)."""
LOOK_AGAIN_SECONDS = 0.05
"""How soon a local activity looks again whether what comes before its facts is published."""
ATTEMPTS_IN_TURN = 6
"""How often a regular activity finds earlier facts missing before it says so to its workflow: some six seconds."""


class PublishingActivities:
    """Publishing by workflows of earlier revisions."""

    def __init__(self, ledger: Ledger) -> None:
        """Write by the ledger."""
        self._ledger = ledger

    @activity.defn(name=names.PUBLISH_FACTS)
    async def publish_facts(self, publication: Publication) -> Recorded:
        """
        Publish facts in their order.

        A fact that is in the read model already was published by an earlier attempt, whole transaction and all: it
        is passed over, so that nothing is shown, notified or booked twice. If another fact has its number, then a
        worker died between publishing and the history: the history is right, and the read model is made to follow.

        As a local activity it holds its workflow task up, and nobody is told how it ended: what cannot be done soon
        comes back to the workflow as a signal, for a regular activity that takes as long as it may (ADR 0016).

        Raises:
            EarlierFactsMissingError: facts that come before these are still under way.
            ApplicationError: EARLIER_FACTS_MISSING, not to be retried: they do not seem to come any more.
        """
        if not activity.in_activity() or publication.number is None or not activity.info().is_local:
            return await self._publish_at_last(publication)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._publish_in_turn(publication)
        except Exception as error:  # noqa: BLE001 - whatever it is, the regular activity meets it, shows it and retries
            await _give_back(publication, error)
            return Recorded(first_sequence=publication.first_sequence, facts=())

    async def _publish_at_last(self, publication: Publication) -> Recorded:
        try:
            return await self._publish(publication)
        except EarlierFactsMissingError as error:
            waits = publication.number is None or not activity.in_activity()
            if waits or activity.info().attempt < ATTEMPTS_IN_TURN:
                raise
            raise ApplicationError(str(error), type=names.EARLIER_FACTS_MISSING, non_retryable=True) from None

    async def _publish_in_turn(self, publication: Publication) -> Recorded:
        while True:
            try:
                return await self._publish(publication)
            except EarlierFactsMissingError:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _publish(self, publication: Publication) -> Recorded:
        await self._ledger.write(publication)
        return Recorded(first_sequence=publication.first_sequence, facts=publication.facts)


async def _give_back(publication: Publication, error: Exception) -> None:
    info = activity.info()
    log = structlog.get_logger().bind(study=publication.study, workflow_id=info.workflow_id)
    log.warning("publication_given_back", run_id=info.workflow_run_id, error=f"{type(error).__name__}: {error}")
    handle = activity.client().get_workflow_handle(publication.workflow_id, run_id=publication.run_id)
    await handle.signal(names.PUBLISH_AGAIN, SlowPublication(run_id=publication.run_id, number=publication.number or 0))
