"""Signals to other workflows, sent until they arrive."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows import policies


async def tell(workflow_id: str, signal: str, message: object) -> bool:
    """
    Signal another workflow by id; return False when it does not exist (any more).

    The server delivers once it has accepted; a workflow that has ended needs no more news.
    """
    for _ in range(policies.SIGNAL_ATTEMPTS):
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(signal, message)
        except ApplicationError:
            await workflow.sleep(policies.SIGNAL_RETRY_WAIT)
        else:
            return True
    workflow.logger.warning("signal_undelivered", extra={"to": workflow_id, "signal": signal})
    return False
