"""What a workflow's history shows of it from outside: its time, its next timer, and whether anything is under way."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from schemas import names

EVENTS_OF_A_PAGE = 30
_TASK_IS_OPEN = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)
_IS_CLOSED = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
)


class Observation(NamedTuple):
    """A workflow as its history shows it; it is at rest when no task, no activity and no timer is due."""

    at: datetime
    is_at_rest: bool
    next_at: datetime | None = None


async def observe(client: Client, workflow_id: str, *, publishes: bool = True) -> Observation | None:
    """
    Read a workflow's history from its end; None when the server does not know the workflow.

    Of one that publishes, the latest publication is looked for: it may still be under way.
    """
    reading = _Reading(publishes=publishes)
    try:
        async for event in _backwards(client, workflow_id):
            if reading.is_over(event):
                break
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    return reading.result()


async def _backwards(client: Client, workflow_id: str) -> AsyncIterator[HistoryEvent]:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        maximum_page_size=EVENTS_OF_A_PAGE,
    )
    while True:
        page = await client.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
        for event in page.history.events:
            yield event
        request.next_page_token = page.next_page_token
        if not page.next_page_token:
            return


class _Reading:
    """The events of a history, taken from the newest on until nothing older can matter."""

    def __init__(self, *, publishes: bool) -> None:
        self._at: datetime | None = None
        self._is_at_rest: bool | None = None
        self._next_at: datetime | None = None
        self._saw_publication = not publishes
        self._ended: set[int] = set()

    def is_over(self, event: HistoryEvent) -> bool:
        """Take one more event; return whether the answer is known."""
        if self._at is None:
            self._at = event.event_time.ToDatetime(UTC).replace(microsecond=0)
            if event.event_type in _IS_CLOSED:
                self._is_at_rest = True
                return True
        if self._is_at_rest is None:
            self._take_task(event)
        self._take_end(event)
        self._take_begin(event)
        if not self._is_at_rest:
            return self._is_at_rest is False
        return self._next_at is not None and self._saw_publication

    def _take_task(self, event: HistoryEvent) -> None:
        if event.event_type in _TASK_IS_OPEN:
            self._is_at_rest = False
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            self._is_at_rest = True

    def _take_end(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                self._ended.add(event.activity_task_completed_event_attributes.scheduled_event_id)
            case EventType.EVENT_TYPE_TIMER_FIRED:
                self._ended.add(event.timer_fired_event_attributes.started_event_id)
            case EventType.EVENT_TYPE_TIMER_CANCELED:
                self._ended.add(event.timer_canceled_event_attributes.started_event_id)
            case _:
                return

    def _take_begin(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                activity = event.activity_task_scheduled_event_attributes.activity_type.name
                self._saw_publication |= activity == names.PUBLISH_FACTS
                if event.event_id not in self._ended:
                    self._is_at_rest = False
            case EventType.EVENT_TYPE_TIMER_STARTED if event.event_id not in self._ended and self._next_at is None:
                timeout = event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
                self._next_at = event.event_time.ToDatetime(UTC) + timeout
            case _:
                return

    def result(self) -> Observation | None:
        """Return what was read."""
        if self._at is None:
            return None
        is_due = self._next_at is not None and self._next_at <= self._at
        is_at_rest = bool(self._is_at_rest) and not is_due
        return Observation(self._at, is_at_rest, self._next_at if is_at_rest else None)
