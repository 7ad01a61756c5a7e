"""
Virtual time: the server moves one workflow's clock forward when told to.

Nothing skips by itself: a workflow's clock moves only when whoever plays the people says that they have nothing left to do
before its next timer. So a virtual site can answer a task at the very moment it opens, and a test can let days pass.
"""

import uuid
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import FastForwardConfig, TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client

# The clock runs on between the moment a deadline was announced and this call; a little more is needed to reach it.
MARGIN = timedelta(seconds=2)


async def fast_forward(client: Client, workflow_id: str, duration: timedelta) -> None:
    """Let a workflow's clock skip to its next timer, at most `duration` ahead (plus a margin of seconds)."""
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
