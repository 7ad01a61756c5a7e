"""Signals to other workflows."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError


async def tell(workflow_id: str, signal: str, message: object) -> bool:
    """
    Signal another workflow by id; return False when it has ended, and so needs no more news.

    The server delivers once it has accepted, also to a workflow that is just continuing as new. Trying again after
    'not found' would only hold up the news of those behind.
    """
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(signal, message)
    except ApplicationError as error:
        workflow.logger.warning("signal_undelivered", extra={"to": workflow_id, "signal": signal, "error": str(error)})
        return False
    return True


class News:
    """Signals that handlers leave for the main loop to send, in their order."""

    def __init__(self) -> None:
        """Begin with none."""
        self._letters: list[tuple[str, str, object]] = []
        self._sending: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether any are still to be sent."""
        return bool(self._letters)

    def add(self, workflow_id: str, signal: str, message: object) -> None:
        """Leave one to be sent."""
        self._letters.append((workflow_id, signal, message))

    async def send(self) -> None:
        """Send all, also those that are left meanwhile."""
        while self._letters:
            await tell(*self._letters[0])
            self._letters.pop(0)

    def start(self) -> None:
        """Send all beside what the main loop does next: who sends need not wait for the server's word."""
        if self._letters and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self.send())

    async def finish(self) -> None:
        """Wait until all have been sent."""
        while self._letters:
            self.start()
            if self._sending is not None:
                await self._sending
