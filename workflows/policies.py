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


class LocalOptions(TypedDict):
    """What a local activity is scheduled with."""

    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


LOCAL_TRANSACTION = LocalOptions(
    schedule_to_close_timeout=timedelta(seconds=2),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=2.0),
)
"""
All attempts together. A workflow task of ten seconds is renewed after eight, and that is not to come to pass (ADR
0015): no step has more than three local activities in a row.
"""

RECEIVERS_AT_ONCE = 500
"""How many workflows are signalled at the same time: a quarter of what the server lets one workflow have under way."""
