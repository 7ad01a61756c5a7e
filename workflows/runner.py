"""The sandbox that workflows run and replay in."""

from collections.abc import Callable, Coroutine
from functools import cache, wraps
from typing import Any, ParamSpec

from temporalio.bridge import worker as bridge
from temporalio.converter import DataConverter
from temporalio.converter._extstore import StorageOperationMetrics
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.questions import read_anew_after_questions

# Lint proves that these have no clock, no chance and no I/O (ADR 0010). Executed anew in the sandbox for each workflow,
# they took a quarter of the time that a replay takes.
PASSED_THROUGH = ("pydantic", "pydantic_core", "annotated_types", "structlog", "schemas", "decisions", "workflows")

Given = ParamSpec("Given")
Passes = Callable[Given, Coroutine[Any, Any, StorageOperationMetrics]]


def workflow_runner(*also_passed_through: str) -> WorkflowRunner:
    """Return the runner of all workers and of every replay."""
    _leave_out_idle_passes()
    read_anew_after_questions()
    modules = (*PASSED_THROUGH, *also_passed_through)
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*modules))


@cache
def _leave_out_idle_passes() -> None:
    """
    Leave out the SDK's passes over payloads where they change nothing (ADR 0017).

    Six times for each activation the SDK goes through all payloads: for a codec, for external storage, and for
    references to it, asking the workflow in the sandbox for each payload's context. With neither they take a third of
    a replay's time, and come to nothing.
    """
    bridge.decode_activation = only_where_needed(bridge.decode_activation)
    bridge.encode_completion = only_where_needed(bridge.encode_completion)


def only_where_needed(passes: Passes[Given]) -> Passes[Given]:
    """Return the same passes for converters that have a codec or external storage, and none for others."""

    @wraps(passes)
    async def visit(*args: Given.args, **options: Given.kwargs) -> StorageOperationMetrics:
        _message, converter = args
        if isinstance(converter, DataConverter) and not (converter.payload_codec or converter.external_storage):
            return StorageOperationMetrics()
        return await passes(*args, **options)

    return visit
