"""A client for stories: a command comes back once everything that it caused in its workflow is published."""

import asyncio

from pydantic import BaseModel

from client.trial_client import TrialClient
from schemas.commands.commands import Accepted
from simulation.observation import observe

LIMIT_SECONDS = 30.0
PAUSE_SECONDS = 0.005


class PatientClient(TrialClient):
    """The same client; whoever reads after a command, accepted or refused, reads all that followed in its workflow."""

    async def _send(self, workflow_id: str, update: str, command: BaseModel) -> Accepted:
        try:
            return await super()._send(workflow_id, update, command)
        finally:
            await self.rest(workflow_id)

    async def rest(self, workflow_id: str) -> None:
        """Wait until nothing is under way in a workflow."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while (seen := await observe(self.temporal, workflow_id)) is not None and not seen.is_at_rest:  # noqa: ASYNC110 - the workflow is a server's
                await asyncio.sleep(PAUSE_SECONDS)
