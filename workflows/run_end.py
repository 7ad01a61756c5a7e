"""The end of a run: what it has begun is finished before the workflow completes or continues as new."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from workflows.journal import Journal
from workflows.signals import Signals


def _nothing() -> None:
    """Review nothing."""


async def drain(journal: Journal[Any, Any], signals: Signals, review: Callable[[], None] = _nothing) -> None:
    """
    Wait until handlers have finished, facts are published and signals are sent.

    What arrives meanwhile still belongs to this run. `review` may record facts and leave signals that follow from it.
    """
    while True:
        before = journal.sequence
        await workflow.wait_condition(workflow.all_handlers_finished)
        review()
        await signals.drain()
        await journal.drain()
        if journal.sequence == before and signals.are_sent and workflow.all_handlers_finished():
            return
