"""A workflow's time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio import workflow


def now() -> datetime:
    """Return the workflow's time in whole seconds: facts are not finer, and shorter in the history."""
    return workflow.now().astimezone(UTC).replace(microsecond=0)


async def wait_until(moment: datetime | None, *, or_when: Callable[[], bool]) -> None:
    """Wait until a moment, or for ever, or earlier when a condition becomes true."""
    if or_when():
        return
    # Whole seconds are cut off `now`, so a timer that fires early by its fraction would spin: add it back.
    timeout = None if moment is None else max(timedelta(seconds=1), moment - workflow.now() + timedelta(milliseconds=1))
    try:
        await workflow.wait_condition(or_when, timeout=timeout)
    except TimeoutError:
        return
