"""The sandbox that workflows run and replay in."""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext, StorageDriverWorkflowInfo
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info, _Definition

# Lint proves that these have no clock, no chance and no I/O (ADR 0010). Executed anew in the sandbox for each workflow,
# they took a quarter of the time that a replay takes.
PASSED_THROUGH = ("pydantic", "pydantic_core", "annotated_types", "structlog", "schemas", "decisions", "workflows")


class ContextFreeRunner(WorkflowRunner):
    """
    A sandbox that is not asked for the serialization context of every payload.

    Our converter has no codec, no external storage and no context. The SDK enters the sandbox two or three times for
    each payload to find that out: about a fifth of a worker's processor time.
    """

    def __init__(self, inner: WorkflowRunner) -> None:
        """Wrap a runner."""
        self._inner = inner

    def prepare_workflow(self, defn: _Definition) -> None:
        """See base class."""
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See base class."""
        return ContextFreeInstance(self._inner.create_instance(det))

    def set_worker_level_failure_exception_types(self, types: object) -> None:
        """See base class."""
        self._inner.set_worker_level_failure_exception_types(types)  # type: ignore[arg-type]


class ContextFreeInstance(WorkflowInstance):
    """One workflow in the sandbox."""

    def __init__(self, inner: WorkflowInstance) -> None:
        """Wrap an instance."""
        self._inner = inner

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """See base class."""
        return self._inner.activate(act)

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:  # noqa: ARG002
        """Payloads are converted without a context."""
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        """Nothing is stored outside the history; the workflow itself is named in case a driver asks."""
        info = self._inner.get_info()
        target = StorageDriverWorkflowInfo(
            id=info.workflow_id, run_id=info.run_id, type=info.workflow_type, namespace=info.namespace
        )
        return StorageDriverStoreContext(target=target)

    def get_info(self) -> Info:
        """See base class."""
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        """See base class."""
        return self._inner.get_thread_id()


def workflow_runner(*also_passed_through: str) -> WorkflowRunner:
    """Return the runner of all workers and of every replay."""
    modules = (*PASSED_THROUGH, *also_passed_through)
    sandbox = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*modules))
    return ContextFreeRunner(sandbox)
