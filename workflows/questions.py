"""A workflow that was read from its history for a question alone is read anew for what comes next (ADR 0019)."""

from functools import cache

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import Worker

QUESTION = "legacy_query"
"""The SDK's name for a question that comes as a task of its own."""


class Reading:
    """Which runs a worker has read from their history, and perhaps taken further than any workflow task has gone."""

    def __init__(self) -> None:
        """No run has been read yet."""
        self._replayed: set[str] = set()
        self._unsure: dict[str, int] = {}
        self._asked: set[str] = set()

    def begins(self, activation: WorkflowActivation) -> None:
        """Take note of an activation."""
        run, jobs, time = activation.run_id, activation.jobs, activation.timestamp.ToNanoseconds()
        if any(job.HasField("remove_from_cache") for job in jobs):
            self._forget(run)
        elif any(job.HasField("query_workflow") and job.query_workflow.query_id == QUESTION for job in jobs):
            if run in self._unsure:
                self._asked.add(run)
        elif activation.is_replaying:
            self._replayed.add(run)
        elif run in self._replayed or self._unsure.get(run) == time:
            # What comes right after a replay may belong to a task of this worker, or to the end of what was read.
            self._replayed.discard(run)
            self._unsure[run] = time
        else:
            self._forget(run)

    def is_over(self, completion: WorkflowActivationCompletion) -> bool:
        """Tell whether an activation was a question to a run that is to be read anew."""
        is_over = completion.run_id in self._asked
        self._asked.discard(completion.run_id)
        return is_over

    def _forget(self, run: str) -> None:
        self._replayed.discard(run)
        self._unsure.pop(run, None)
        self._asked.discard(run)


@cache
def read_anew_after_questions() -> None:
    """
    Have the SDK's workers forget a run that they have read from its history for a question alone.

    The SDK's core hands over what stands at the end of that history, too, though no workflow task has begun for it, or
    one that will time out: at the time of that one, or of the task before. And it keeps the workflow. With the task
    that follows it would go on from a state to which its history does not lead.
    """
    poll, complete = Worker.poll_workflow_activation, Worker.complete_workflow_activation
    readings: dict[int, Reading] = {}

    async def poll_and_note(worker: Worker) -> WorkflowActivation:
        activation = await poll(worker)
        readings.setdefault(id(worker), Reading()).begins(activation)
        return activation

    async def forget_and_complete(worker: Worker, completion: WorkflowActivationCompletion) -> None:
        # Asked for before, it comes before the task that may wait already.
        if readings.setdefault(id(worker), Reading()).is_over(completion):
            worker.request_workflow_eviction(completion.run_id)
        await complete(worker, completion)

    Worker.poll_workflow_activation = poll_and_note  # type: ignore[assignment, method-assign]
    Worker.complete_workflow_activation = forget_and_complete  # type: ignore[assignment, method-assign]
