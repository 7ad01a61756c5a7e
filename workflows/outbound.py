"""Signals to other workflows."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows import policies
from workflows.journal import UNAWAITED, Journal

Letter = tuple[str, str, object]


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


async def _tell_in_order(letters: Iterable[Letter]) -> None:
    for letter in letters:
        await tell(*letter)


def _never() -> bool:
    return False


class News:
    """
    Signals that handlers leave for the main loop to send, in their order.

    With `together`, asked whenever more than one waits, they go to all receivers at the same time: a hold then reaches
    the last of many as soon as the first. Each receiver still gets its own in their order. With `in_batches` those that
    are left while others are being sent wait for the next call, so that their facts are published before them however
    the SDK divides the history into tasks (ADR 0015).
    """

    def __init__(self, together: Callable[[], bool] = _never, in_batches: Callable[[], bool] = _never) -> None:
        """Begin with none."""
        self._together, self._in_batches = together, in_batches
        self._letters: list[Letter] = []
        self._sending: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether any are still to be sent."""
        return bool(self._letters)

    def add(self, workflow_id: str, signal: str, message: object) -> None:
        """Leave one to be sent."""
        self._letters.append((workflow_id, signal, message))

    async def send(self) -> None:
        """Send all; those that are left meanwhile only where they do not wait for the next call."""
        while self._letters:
            if len(self._letters) > 1 and self._together():
                await self._send_together()
            else:
                await tell(*self._letters[0])
                self._letters.pop(0)
            if self._in_batches():
                return

    async def _send_together(self) -> None:
        letters = tuple(self._letters)
        by_receiver: dict[str, list[Letter]] = {}
        for letter in letters:
            by_receiver.setdefault(letter[0], []).append(letter)
        chains = list(by_receiver.values())
        for first in range(0, len(chains), policies.RECEIVERS_AT_ONCE):
            some = chains[first : first + policies.RECEIVERS_AT_ONCE]
            await asyncio.gather(*(_tell_in_order(theirs) for theirs in some))
        del self._letters[: len(letters)]

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


async def close_books(journal: Journal[Any, Any], news: News) -> None:
    """Publish and send all that is left before a run continues as new: what arrives meanwhile still belongs to it."""
    settled = journal.revision < UNAWAITED
    while not settled or journal.unpublished or news.waiting or not workflow.all_handlers_finished():
        await workflow.wait_condition(workflow.all_handlers_finished)
        await journal.settle()
        await news.send()
        settled = True
