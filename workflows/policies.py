"""Timeouts and retries, in one place, with the reason for each."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

DATABASE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
"""The database comes back; until then nothing may be given up, so attempts are not limited."""


class ActivityOptions(TypedDict):
    """What a regular activity is scheduled with."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


TRANSACTION = ActivityOptions(start_to_close_timeout=timedelta(seconds=30), retry_policy=DATABASE_RETRY)
"""Every activity is one short transaction."""


class LocalOptions(TypedDict, total=False):
    """What a local activity is scheduled with."""

    schedule_to_close_timeout: timedelta
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


LEFT_TRANSACTION = LocalOptions(
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=100), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=1)
    ),
)
"""
Attempts are not limited: nobody waits for the end, so none may be given up. An attempt gives way by itself, long before
its time is over, where the database is slow (`schemas.names.PUBLISH_AGAIN`). Pauses stay below those for which the SDK
would start a timer.
"""

LOCAL_TRANSACTION = LocalOptions(
    schedule_to_close_timeout=timedelta(seconds=2),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=2.0),
)
"""What workflows of earlier revisions wait for: all attempts together (ADR 0015)."""

RECEIVERS_AT_ONCE = 500
"""How many workflows are signalled at the same time: a quarter of what the server lets one workflow have under way."""
