"""
A worker that stops for ever at the publication of a fact of one kind, before or after its commit; a test kills it.

Arguments: `before` or `after`, the fact's kind, and a file that is made as a sign.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.database import open_pool
from client.converter import DATA_CONVERTER
from deploy.services import find_services
from deploy.temporal_client import connect_temporal
from schemas.messages import Publication
from worker import make_worker


class Halting(Interceptor):
    """Halts the activity that publishes a fact of this kind."""

    def __init__(self, when: str, kind: str, sign: Path) -> None:
        self.when, self.kind, self.sign = when, kind, sign

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See base class."""
        return _HaltingActivity(next, self)


class _HaltingActivity(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, halting: Halting) -> None:
        super().__init__(inner)
        self._halting = halting

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401
        """See base class."""
        halting, request = self._halting, input.args[0]
        if not (isinstance(request, Publication) and any(fact.kind == halting.kind for fact in request.facts)):
            return await super().execute_activity(input)
        if halting.when == "after":
            await super().execute_activity(input)
        halting.sign.touch()
        return await asyncio.Event().wait()


async def main(when: str, kind: str, sign: Path) -> None:
    """Work until killed."""
    services = find_services()
    client, pool = await connect_temporal(services, DATA_CONVERTER), await open_pool(services.database_url)
    async with make_worker(client, pool, interceptors=[Halting(when, kind, sign)]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
