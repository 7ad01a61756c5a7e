"""TrialClient that open once people can see what came of a command: the read model follows the histories by a moment."""

import asyncio

from activities.ledger import Ledger
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError

from activities.database import Pool
from client.trial_client import TrialClient
from history.reading import Record
from schemas.commands.commands import Accepted

LIMIT_SECONDS = 2.0
PAUSE_SECONDS = 0.01


class PatientClient(TrialClient):
    """The same client; each command comes back when the read model holds what is on record, if that is soon."""

    def __init__(self, client: Client, study: str, pool: Pool) -> None:
        """Compare the server's histories with this database."""
        super().__init__(client, study)
        self._record, self._ledger = Record(client), Ledger(pool)

    async def _send(self, workflow_id: str, update: str, command: BaseModel) -> Accepted:
        try:
            return await super()._send(workflow_id, update, command)
        finally:
            await self._wait(workflow_id)

    async def _wait(self, workflow_id: str) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + LIMIT_SECONDS
        try:
            noted = await self._record.latest(workflow_id, "")
            latest = noted.last_sequence if noted else 0
            while await self._ledger.has(workflow_id) < latest and clock() < until:  # noqa: ASYNC110 - it is far away
                await asyncio.sleep(PAUSE_SECONDS)
        except RPCError:
            return
