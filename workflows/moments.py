"""A workflow's time."""

from datetime import UTC, datetime

from temporalio import workflow


def now() -> datetime:
    """Return the workflow's time in whole seconds: facts are not finer, and shorter in the history."""
    return workflow.now().astimezone(UTC).replace(microsecond=0)
