"""A worker that stops for ever after it has published a fact of one kind: a test kills it there, after the commit."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.database import open_pool
from deploy.settings import connect, load_settings
from schemas.messages import Publication
from worker import make_worker
from workflows.converter import DATA_CONVERTER


class Halt(Interceptor):
    """Halts after the commit of a publication that holds a fact of this kind, and leaves a file as a sign."""

    def __init__(self, kind: str, sign: Path) -> None:
        """Take the kind and the file."""
        self.kind, self.sign = kind, sign

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See base class."""
        return _HaltingActivity(next, self)


class _HaltingActivity(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, halt: Halt) -> None:
        super().__init__(inner)
        self._halt = halt

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401
        """See base class."""
        result = await super().execute_activity(input)
        said = input.args[0]
        if isinstance(said, Publication) and any(fact.kind == self._halt.kind for fact in said.facts):
            self._halt.sign.touch()
            await asyncio.Event().wait()
        return result


async def main(kind: str, sign: Path) -> None:
    """Work until killed."""
    settings = load_settings(Path(), dict(os.environ))
    client, pool = await connect(settings, DATA_CONVERTER), await open_pool(settings.database_url)
    async with make_worker(client, pool, interceptors=[Halt(kind, sign)]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
