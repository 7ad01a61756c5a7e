"""A query is answered only from a state that the history leads to (ADR 0019)."""

from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

QUERY_ALONE = "legacy_query"
"""The id that the SDK's core gives to a query that comes as a task of its own, not with a workflow task."""
NOT_ANSWERED = "the worker has just replayed this workflow and may be ahead of its history: please ask again"


class GuardedRunner(SandboxedWorkflowRunner):
    """The SDK's sandbox, with a guard around each workflow."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return a guarded workflow."""
        return GuardedInstance(super().create_instance(det))


class GuardedInstance(WorkflowInstance):
    """
    One run of a workflow, which fails a query that it would answer from a state ahead of its history.

    For a query to a run that is not in memory, the core replays the history to its very end: also events for which no
    workflow task has begun, or one that will time out. It would keep that run and go on from there; a run whose query
    fails it evicts. Which events a task covers is not handed over, so the guard goes by what it sees: the first events
    after a replay, and events with the time of the activation before, may stand there without a task.
    """

    def __init__(self, guarded: WorkflowInstance) -> None:
        self._guarded = guarded
        self._time: int | None = None
        self._is_replaying = False
        self._may_be_ahead = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Pass the activation on, or fail it if it is a query that can't be answered."""
        queries = [job.query_workflow.query_id for job in act.jobs if job.HasField("query_workflow")]
        if len(queries) < len(act.jobs):
            self._observe_activation(act)
        elif QUERY_ALONE in queries:
            if self._may_be_ahead:
                return _failed(act.run_id)
            # The replay ended before this query: what comes next has a task, unless its time is that of the last one.
            self._is_replaying = False
        return self._guarded.activate(act)

    def _observe_activation(self, act: WorkflowActivation) -> None:
        time = act.timestamp.ToNanoseconds()
        self._may_be_ahead = not act.is_replaying and (self._is_replaying or time == self._time)
        self._time, self._is_replaying = time, act.is_replaying

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:  # noqa: ANN401 - a type that the SDK does not export
        """See base class."""
        return self._guarded.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ANN401 - a type that the SDK does not export
        """See base class."""
        return self._guarded.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """See base class."""
        return self._guarded.get_info()

    def get_thread_id(self) -> int | None:
        """See base class."""
        return self._guarded.get_thread_id()


def _failed(run_id: str) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion(run_id=run_id)
    completion.failed.failure.message = NOT_ANSWERED
    completion.failed.failure.application_failure_info.type = "QueryNotAnswered"
    return completion
