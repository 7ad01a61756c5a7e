"""Short transactions, as activities; and as local activities, which only workflows of earlier revisions have."""

from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception
from temporalio.workflow import ActivityHandle

from workflows import policies


def leave(activity: str, request: object) -> ActivityHandle[RawValue]:
    """
    Have a transaction made before the workflow task ends, and wait for nothing of it, as revision 4 does (ADR 0016).

    The task is not completed before its local activities are, so that what the transaction tells is not behind what the
    workflow does next; only where a question came with the task can it be, by a moment. The workflow must not learn how
    it ended: the SDK may tell it of the end together with what people sent meanwhile, and a replay tells it of both one
    after the other. What comes back is for the history, and not read here.
    """
    return workflow.start_local_activity(  # noqa: TID251 - here, and nowhere else
        activity, request, result_type=RawValue, **policies.LEFT_TRANSACTION
    )


async def transact(activity: str, request: object, result_type: type | None = None, *, local: bool = False) -> Any:  # noqa: ANN401 - as told
    """
    Run an activity that is one short transaction, and return what it returns.

    Args:
        activity: its name.
        request: what it is given.
        result_type: what it returns.
        local: whether the first two seconds belong to a local activity, as in workflows of earlier revisions; its end
            may reach the workflow in another order than the replay (ADR 0016).

    Raises:
        ApplicationError: the activity's own, when it says that trying again is no use.
    """
    if local:
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
