"""
Virtual time: the server moves one workflow's clock forward when told to.

Nothing skips by itself: a workflow's clock moves only when whoever plays the people says that they have nothing left
to do before its next timer, which stands in its history. So a virtual site can answer a task the moment it opens, and a
test can let days pass.
"""

import uuid
from datetime import datetime, timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import FastForwardConfig, TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

# The clock runs on between the moment a deadline was announced and this call; a little more is needed to reach it.
MARGIN = timedelta(seconds=2)


async def fast_forward(client: Client, workflow_id: str, duration: timedelta) -> None:
    """Let a workflow's clock skip over its timers, `duration` ahead (plus a margin of seconds)."""
    config = TimeSkippingConfig(enabled=True, fast_forward_config=FastForwardConfig(id=uuid.uuid4().hex))
    config.fast_forward_config.duration.FromTimedelta(duration + MARGIN)
    await client.workflow_service.update_workflow_execution_options(
        UpdateWorkflowExecutionOptionsRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=config),
            update_mask=FieldMask(paths=["time_skipping_config"]),
            identity=client.identity,
        ),
        retry=True,
    )


class Clocks:
    """What is known of each workflow's virtual clock: at least the latest moment that it was seen at or brought to."""

    def __init__(self, client: Client) -> None:
        """Know nothing yet."""
        self._client = client
        self._known: dict[str, datetime] = {}

    def note(self, workflow_id: str, moment: datetime) -> datetime:
        """Note a moment that a workflow has reached; return the latest known."""
        self._known[workflow_id] = max(moment, self._known.get(workflow_id, moment))
        return self._known[workflow_id]

    def correct(self, workflow_id: str, moment: datetime) -> None:
        """Take this for the latest known moment: a later one was asked for, and the workflow did not come there."""
        self._known[workflow_id] = moment

    async def bring_to(self, workflow_id: str, moment: datetime) -> None:
        """Bring a workflow's clock forward to a moment; one that has passed it, or has ended, is left alone."""
        known = self._known.get(workflow_id)
        if known is None or known >= moment:
            return
        self._known[workflow_id] = moment
        try:
            await fast_forward(self._client, workflow_id, moment - known)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
