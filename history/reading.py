"""
Facts in event histories, read without running any code of the trial.

Facts stand in plain JSON in the input of each activity `publish_facts` (docs/decisions/0020).
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from history.documents import HistoryFormatError
from schemas import names

WORKFLOWS = ("ParticipantWorkflow", "ArmWorkflow", "StudyWorkflow")


@dataclass(frozen=True)
class FoundFact:
    """A fact in a history: its place there, its number in the workflow's own sequence, and what it says."""

    workflow_id: str
    run_id: str
    event_id: int
    sequence: int
    fact: dict[str, Any]

    def row(self) -> dict[str, Any]:
        """Return it flat, as it is exported."""
        return {"sequence": self.sequence, "event_id": self.event_id, "run_id": self.run_id, **self.fact}


async def fetch_runs(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """
    Fetch every run of a workflow that continued as new, the first one first.

    Raises:
        RPCError: NOT_FOUND when there is no such workflow.
    """
    return [run async for run in _runs_back(client, workflow_id)][::-1]


async def fetch_runs_kept(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """Fetch the runs of a workflow that the server still has, the oldest one first; retention may have removed some."""
    runs: list[WorkflowHistory] = []
    try:
        async for run in _runs_back(client, workflow_id):
            runs.append(run)  # noqa: PERF401 - those before the error count
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    return runs[::-1]


async def _runs_back(client: Client, workflow_id: str) -> AsyncIterator[WorkflowHistory]:
    run_id: str | None = None
    while True:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        yield history
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not run_id:
            return


async def workflow_ids(client: Client, study: str) -> list[str]:
    """Return the ids of a study's workflows on the server, open and closed."""
    types = " OR ".join(f"WorkflowType = '{name}'" for name in WORKFLOWS)
    ids = {execution.id async for execution in client.list_workflows(types)}
    return sorted(workflow_id for workflow_id in ids if names.is_of(study, workflow_id))


def facts_in(runs: Iterable[WorkflowHistory]) -> list[FoundFact]:
    """Return the facts of a workflow's runs in their order."""
    found = {fact.sequence: fact for run in runs for event in run.events for fact in facts_of_event(run, event)}
    return [found[sequence] for sequence in sorted(found)]


def facts_of_event(run: WorkflowHistory, event: HistoryEvent) -> Iterator[FoundFact]:
    """
    Return the facts that an event publishes.

    Raises:
        HistoryFormatError: the event's publication cannot be read, such as an encrypted one.
    """
    scheduled = event.activity_task_scheduled_event_attributes
    if scheduled.activity_type.name != names.PUBLISH_FACTS:
        return
    publication = plain(scheduled.input)
    if not isinstance(publication, dict):
        raise HistoryFormatError(f"event {event.event_id} of {run.workflow_id}: its facts can't be read: {publication}")
    for sequence, fact in enumerate(publication["facts"], start=publication["first_sequence"]):
        yield FoundFact(run.workflow_id, run.run_id, event.event_id, sequence, fact)


def input_of(run: WorkflowHistory) -> Any:  # noqa: ANN401 - JSON is any value
    """Return what a run was started with, as JSON."""
    return plain(run.events[0].workflow_execution_started_event_attributes.input)


def plain(payloads: Payloads) -> Any:  # noqa: ANN401 - JSON is any value
    """Return what payloads say: one value, or a list of several."""
    decoded = [_plain_one(payload) for payload in payloads.payloads]
    return decoded[0] if len(decoded) == 1 else decoded


def _plain_one(payload: Payload) -> Any:  # noqa: ANN401 - JSON is any value
    encoding = payload.metadata.get("encoding", b"").decode()
    if encoding == "json/plain":
        return json.loads(payload.data)
    if encoding in ("binary/null", ""):
        return None
    # Encrypted payloads need their codec; what can't be read is named, never left out.
    return f"({encoding}, {len(payload.data)} bytes)"
