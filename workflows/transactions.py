"""Short transactions: in the workflow task where the database answers, by a durable activity where it does not."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from workflows import policies


async def transact(activity: str, request: object, result_type: type | None = None) -> Any:  # noqa: ANN401 - as told
    """
    Run an activity that is one short transaction, and return what it returns.

    A local activity costs a history one event instead of five, but it holds the workflow task open. Were that so long
    that the task had to be renewed, an update could reach the workflow in another order than its history tells
    (ADR 0015): a transaction that is not done soon is therefore left to a regular activity.

    Raises:
        ApplicationError: the activity's own, when it says that trying again is no use.
    """
    try:
        return await workflow.execute_local_activity(  # noqa: TID251 - here, and nowhere else
            activity, request, result_type=result_type, **policies.LOCAL_TRANSACTION
        )
    except FailureError as error:
        # The SDK wraps what made a local activity fail, but not on replay.
        cause = error.cause if isinstance(error, ActivityError) and error.cause is not None else error
        if is_cancelled_exception(error) or (isinstance(cause, ApplicationError) and cause.non_retryable):
            raise cause from None
    return await workflow.execute_activity(
        activity,
        request,
        result_type=result_type,
        **policies.TRANSACTION,
    )
