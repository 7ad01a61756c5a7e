"""
What event histories have on record: the facts of a workflow, read without running any code.

Today's workflows note the facts of a task in a memo, or in the answer to the update that the task took (ADR 0018).
Those of earlier revisions have them in the marker of a local activity, or in the end of an activity (ADR 0016).
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from schemas import names
from schemas.messages import Publication, Recorded

LOCAL_ACTIVITY = "core_local_activity"
WORKFLOWS = ("ParticipantWorkflow", "ArmWorkflow", "StudyWorkflow")
EVENTS_OF_A_PAGE = 30


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


async def _runs_back(client: Client, workflow_id: str) -> AsyncIterator[WorkflowHistory]:
    run_id: str | None = None
    while True:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        yield history
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not run_id:
            return


def facts_in(runs: Iterable[WorkflowHistory]) -> list[FoundFact]:
    """Return the facts of a workflow's runs in their order, each once: a publication may have been made again."""
    found: dict[int, FoundFact] = {}
    for fact in (fact for run in runs for event in run.events for fact in facts_of_event(run, event)):
        found.setdefault(fact.sequence, fact)
    return [found[sequence] for sequence in sorted(found)]


def facts_of_event(run: WorkflowHistory, event: HistoryEvent) -> Iterator[FoundFact]:
    """Return the facts that an event names."""
    recorded = _recorded(event) or _completed(run, event)
    if recorded is None:
        return
    for sequence, fact in enumerate(recorded["facts"], start=recorded["first_sequence"]):
        yield FoundFact(run.workflow_id, run.run_id, event.event_id, sequence, fact)


def publications_in(runs: Iterable[WorkflowHistory]) -> list[Publication]:
    """Return what a workflow's runs have on record, as it was published; one without facts moves the one before it."""
    found: dict[int, Publication] = {}
    for run in runs:
        for event in run.events:
            recorded = _recorded(event) or _completed(run, event)
            if recorded is None:
                continue
            publication = _publication(run.workflow_id, run.run_id, event, recorded)
            before = found.get(publication.last_sequence)
            if before is not None:
                moved = {"at": publication.at, "next_at": publication.next_at}
                publication = before.model_copy(update={} if publication.facts else moved)
            found[publication.last_sequence] = publication
    return list(found.values())


def _publication(workflow_id: str, run_id: str, event: HistoryEvent, recorded: Mapping[str, Any]) -> Publication:
    study, owner = names.parts_of(workflow_id)
    said = Recorded.model_validate(recorded)
    return Publication(
        study=study,
        workflow_id=workflow_id,
        run_id=run_id,
        owner=owner,
        first_sequence=said.first_sequence,
        facts=said.facts,
        at=said.at or event.event_time.ToDatetime(UTC),
        next_at=said.next_at,
    )


def _recorded(event: HistoryEvent) -> Mapping[str, Any] | None:
    """Return what a single event has on record."""
    if event.HasField("workflow_properties_modified_event_attributes"):
        memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        return _as_recorded(_plain_one(memo[names.RECORDED])) if names.RECORDED in memo else None
    if event.HasField("workflow_execution_update_completed_event_attributes"):
        outcome = event.workflow_execution_update_completed_event_attributes.outcome
        answer = plain(outcome.success) if outcome.HasField("success") else None
        return _as_recorded(answer.get(names.RECORDED)) if isinstance(answer, dict) else None
    if event.HasField("marker_recorded_event_attributes"):
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL_ACTIVITY or "result" not in marker.details:
            return None
        about = plain(marker.details["data"])
        if not isinstance(about, dict) or about.get("activity_type") != names.PUBLISH_FACTS:
            return None
        return _as_recorded(plain(marker.details["result"]))
    return None


def _completed(run: WorkflowHistory, event: HistoryEvent) -> Mapping[str, Any] | None:
    if not event.HasField("activity_task_completed_event_attributes"):
        return None
    done = event.activity_task_completed_event_attributes
    scheduled = run.events[done.scheduled_event_id - 1].activity_task_scheduled_event_attributes
    return _as_recorded(plain(done.result)) if scheduled.activity_type.name == names.PUBLISH_FACTS else None


def _as_recorded(said: object) -> Mapping[str, Any] | None:
    return said if isinstance(said, dict) and "first_sequence" in said else None


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


class Record:
    """What the server's histories have on record, for whoever makes a read model of it."""

    def __init__(self, client: Client) -> None:
        """Ask this server."""
        self._client = client

    async def publications(self, workflow_id: str) -> list[Publication]:
        """Return all that a workflow has on record, from the oldest run on that the server still has."""
        runs: list[WorkflowHistory] = []
        try:
            async for run in _runs_back(self._client, workflow_id):
                runs.append(run)  # noqa: PERF401 - those before the error count
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return publications_in(runs[::-1])

    async def present_run(self, workflow_id: str) -> tuple[Any, list[Publication]]:
        """Return what a workflow's present run was given, and what it has on record since."""
        run = await self._client.get_workflow_handle(workflow_id).fetch_history()
        started = run.events[0].workflow_execution_started_event_attributes
        return plain(started.input), publications_in([run])

    async def workflows(self, since: datetime, study: str | None = None) -> AsyncIterator[tuple[str, str]]:
        """Return workflow and run of all that are open, or were closed since."""
        types = " OR ".join(f"WorkflowType = '{name}'" for name in WORKFLOWS)
        closed = f"CloseTime > '{since:%Y-%m-%dT%H:%M:%SZ}' AND ExecutionStatus != 'ContinuedAsNew'"
        async for execution in self._client.list_workflows(
            f"({types}) AND (ExecutionStatus = 'Running' OR ({closed}))"
        ):
            if study is None or names.parts_of(execution.id)[0] == study:
                yield execution.id, execution.run_id

    async def latest(self, workflow_id: str, run_id: str) -> Publication | None:
        """
        Return the latest facts that a workflow has noted, reading its runs from their end.

        None, if it noted none, or was begun before revision 5: then it publishes by itself. The run may have none yet:
        then the one before, which it continues, is read.
        """
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=EVENTS_OF_A_PAGE,
        )
        while True:
            try:
                page = await self._client.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return None
            for event in page.history.events:
                if _is_of_earlier_revision(event):
                    return None
                recorded = _recorded(event)
                if recorded is not None and recorded["facts"]:
                    return _publication(workflow_id, request.execution.run_id, event, recorded)
            request.next_page_token = page.next_page_token
            if not page.next_page_token:
                before = page.history.events[-1].workflow_execution_started_event_attributes.continued_execution_run_id
                if not before:
                    return None
                request.execution.run_id = before


def _is_of_earlier_revision(event: HistoryEvent) -> bool:
    memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
    return event.marker_recorded_event_attributes.marker_name == LOCAL_ACTIVITY or "facts" in memo
