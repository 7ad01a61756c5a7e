"""Signals to other workflows."""

import asyncio
from collections.abc import Iterable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from schemas import names
from workflows.activity_options import RECEIVERS_AT_ONCE

Signal = tuple[str, str, object]
"""The receiver's workflow id, the signal's name, and its message."""


class Signals:
    """
    Signals, sent beside what the main loop does.

    They go to all receivers at the same time: a hold reaches the last of many as soon as the first. Each receiver gets
    its own in order.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: list[Signal] = []
        self._sender: asyncio.Task[None] | None = None

    def add(self, workflow_id: str, signal: str, message: object) -> None:
        """Send one after those that are under way."""
        self._waiting.append((workflow_id, signal, message))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())

    def add_for_participant(self, study: str, subject: str, signal: str, message: object) -> None:
        """Send one to a participant's workflow."""
        self.add(names.participant_id(study, subject), signal, message)

    @property
    def are_sent(self) -> bool:
        """Whether none waits or is under way."""
        return self._sender is None or self._sender.done()

    async def drain(self) -> None:
        """Wait until all have been sent: a run must not end before."""
        while self._sender is not None and not self._sender.done():
            await self._sender

    async def _send_all(self) -> None:
        while self._waiting:
            signals, self._waiting = self._waiting, []
            by_receiver: dict[str, list[Signal]] = {}
            for signal in signals:
                by_receiver.setdefault(signal[0], []).append(signal)
            in_order = list(by_receiver.values())
            for first in range(0, len(in_order), RECEIVERS_AT_ONCE):
                some = in_order[first : first + RECEIVERS_AT_ONCE]
                await asyncio.gather(*(_send_in_order(theirs) for theirs in some))


async def _send_in_order(signals: Iterable[Signal]) -> None:
    for signal in signals:
        await _send(*signal)


async def _send(workflow_id: str, signal: str, message: object) -> None:
    """
    Signal another workflow by its id; one that has ended needs it no more.

    The server delivers what it has accepted, also to a workflow that is just continuing as new. Trying again after
    'not found' would only delay the signals behind.
    """
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(signal, message)
    except ApplicationError as error:
        workflow.logger.warning("signal_undelivered", extra={"to": workflow_id, "signal": signal, "error": str(error)})
