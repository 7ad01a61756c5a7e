"""Timeouts and retries of activities, in one place, with the reason for each."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy


class ActivityOptions(TypedDict):
    """What an activity is scheduled with."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


TRANSACTION = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
    ),
)
"""
Every activity is one short transaction. A database that is away comes back, and until then nothing may be given up: the
number of attempts has no limit.
"""

RECEIVERS_AT_ONCE = 500
"""How many workflows are signalled at the same time: a quarter of what the server lets one workflow have under way."""

LARGEST_PUBLICATION_BYTES = 500_000
"""
How many bytes of facts one publication holds, if it holds more than one: the server refuses payloads above 2 MiB, and a
workflow that asks for one can do nothing any more.
"""

PAUSE_AFTER_FAILURE = timedelta(seconds=10)
"""Before an activity that somebody failed by hand is scheduled anew."""
