"""Signals to other workflows."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError


async def tell(workflow_id: str, signal: str, message: object) -> bool:
    """
    Signal another workflow by id; return False when it has ended, and so needs no more news.

    The server delivers once it has accepted, also to a workflow that is just continuing as new. Trying again after
    'not found' would only hold up the news of those behind.
    """
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(signal, message)
    except ApplicationError as error:
        workflow.logger.warning("signal_undelivered", extra={"to": workflow_id, "signal": signal, "error": str(error)})
        return False
    return True
