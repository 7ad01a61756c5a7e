"""Timeouts and retries, in one place, with the reason for each."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

DATABASE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=10)
)
"""
The database comes back; until then nothing may be given up, so attempts are not limited. An outage is paid for in
history events, some of them at each attempt: hence the long interval.
"""

ACTIVITY_START_TO_CLOSE = timedelta(seconds=30)
"""Every activity is one short transaction."""


class LocalOptions(TypedDict):
    """What a local activity is scheduled with."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy
    local_retry_threshold: timedelta


LOCAL_TRANSACTION = LocalOptions(
    start_to_close_timeout=timedelta(seconds=5),
    retry_policy=DATABASE_RETRY,
    local_retry_threshold=timedelta(seconds=2),
)
"""Back-offs above the threshold become durable timers, so that an outage does not hold a workflow task open."""

RECEIVERS_AT_ONCE = 500
"""How many workflows are signalled at the same time: a quarter of what the server lets one workflow have under way."""
