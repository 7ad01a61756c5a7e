"""
A worker that stops for ever at a fact of one kind: a test kills it there.

`shown`: the fact is committed to the read model, and its workflow task has not ended, nor ever does.
`noted`: the fact is in the event history, and has not been committed to the read model, nor ever is.
"""

import asyncio
import sys
import threading
from pathlib import Path

from activities.database import Pool, open_pool
from activities.ledger import Ledger
from activities.projection import Projection
from client.converter import DATA_CONVERTER
from deploy.services import find_services
from deploy.temporal_client import connect_temporal
from schemas.messages import Publication
from worker import make_worker


class HaltingLedger(Ledger):
    """Halts before or after the commit of a publication that holds a fact of this kind, and leaves a file as a sign."""

    def __init__(self, pool: Pool, kind: str, sign: Path, *, shown: bool) -> None:
        """Take the kind and the file, and whether the fact is to be shown."""
        super().__init__(pool)
        self.kind, self.sign, self.shown = kind, sign, shown

    def is_there(self, publication: Publication) -> bool:
        """Tell whether this is where to halt."""
        return any(fact.kind == self.kind for fact in publication.facts)

    async def write_new(self, publication: Publication) -> bool:
        """See base class."""
        if not self.is_there(publication):
            return await super().write_new(publication)
        if self.shown:
            await super().write_new(publication)
        self.sign.touch()
        await asyncio.Event().wait()
        return True


def hold_workflow_tasks(ledger: HaltingLedger) -> None:
    """Have the workflow task that notes the fact never end."""
    offer = Projection.offer

    def offer_and_wait(projection: Projection, publication: Publication) -> None:
        offer(projection, publication)
        if ledger.is_there(publication):
            threading.Event().wait()

    Projection.offer = offer_and_wait  # type: ignore[assignment, method-assign]


async def main(when: str, kind: str, sign: Path) -> None:
    """Work until killed."""
    services = find_services()
    client, pool = await connect_temporal(services, DATA_CONVERTER), await open_pool(services.database_url)
    ledger = HaltingLedger(pool, kind, sign, shown=when == "shown")
    if ledger.shown:
        hold_workflow_tasks(ledger)
    async with make_worker(client, pool, ledger=ledger):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
