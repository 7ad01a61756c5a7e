"""The yardstick's script: the commands of a real workflow, in their numbers and order, read from its history."""

from enum import StrEnum

from pydantic import Field
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from schemas import names
from schemas.base import Frozen


class Trigger(StrEnum):
    """What a workflow has waited for when it gives commands."""

    START = "start"
    UPDATE = "update"
    TIMER = "timer"
    SIGNAL = "signal"
    RESULT = "result"


class Call(Frozen):
    """An activity, a signal or a child, with the sizes of what is sent and returned, in bytes of JSON."""

    name: str
    sent: int
    returned: int = 0
    to: str = Field(default="", description="Of a signal: the kind of workflow that receives it, as in its id.")


class Step(Frozen):
    """The commands that follow from one trigger."""

    trigger: Trigger
    name: str = Field(default="", description="Of an update or a signal.")
    received: int = Field(default=0, description="The size of an update or signal, in bytes of JSON.")
    answered: int = Field(default=0, description="The size of an update's answer.")
    children: tuple[Call, ...] = ()
    awaited: tuple[Call, ...] = Field(default=(), description="Activities whose results are triggers of later steps.")
    published: tuple[int, ...] = Field(default=(), description="The sizes of publications.")
    signals: tuple[Call, ...] = ()
    timer: float | None = Field(default=None, description="Seconds; begun last, and cancelled by any other trigger.")


class Script(Frozen):
    """All that a workflow does, in order."""

    steps: tuple[Step, ...]

    def to_text(self, size: int = 0) -> str:
        """Return JSON without what is at its default, filled up with spaces to a size in bytes."""
        return self.model_dump_json(exclude_defaults=True).ljust(size)

    @property
    def by_name(self) -> dict[str, Step]:
        """The first step for each update and signal, as a workflow that serves many has it."""
        return {step.name: step for step in reversed(self.steps) if step.name}

    def opening(self) -> "Script":
        """Return the steps up to the first result, with which a participant loads its protocol."""
        return Script(steps=self.steps[: self._loaded])

    def rest(self) -> "Script":
        """Return the steps after the first result."""
        return Script(steps=self.steps[self._loaded :])

    @property
    def _loaded(self) -> int:
        return [step.trigger for step in self.steps].index(Trigger.RESULT) + 1

    def of_updates_and_timers(self) -> "Script":
        """Return the script of a workflow that only takes the same updates and waits for the same timers."""
        steps: list[Step] = []
        for step in self.steps:
            if step.trigger in (Trigger.SIGNAL, Trigger.RESULT):
                timer = steps[-1].timer if step.timer is None else step.timer
                steps[-1] = steps[-1].model_copy(update={"timer": timer})
            else:
                steps.append(step.model_copy(update={"children": (), "awaited": (), "published": (), "signals": ()}))
        return Script(steps=tuple(steps))


def script_of(history: WorkflowHistory) -> Script:
    """
    Read a history as a script.

    Raises:
        ValueError: a timer fired that does not belong to the step before it, as it always does here.
    """
    reading = _Reading(history)
    for event in history.events:
        reading.take_trigger(event)
        reading.take_command(event)
    return Script(steps=tuple(reading.steps))


class _Reading:
    """The steps of a history, of which the last one still grows."""

    def __init__(self, history: WorkflowHistory) -> None:
        self.steps: list[Step] = []
        self._publications: set[int] = set()
        completed = [event.activity_task_completed_event_attributes for event in history.events]
        self._returned = {result.scheduled_event_id: _size(result.result) for result in completed}

    def take_trigger(self, event: HistoryEvent) -> None:
        """Begin a step with an event that comes from outside."""
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                started = event.workflow_execution_started_event_attributes
                self._begin(Trigger.START, received=_size(started.input))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
                self._begin(Trigger.UPDATE, name=update.name, received=_size(update.args))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                signal = event.workflow_execution_signaled_event_attributes
                self._begin(Trigger.SIGNAL, name=signal.signal_name, received=_size(signal.input))
            case EventType.EVENT_TYPE_TIMER_FIRED:
                if self.steps[-1].timer is None:
                    raise ValueError(f"event {event.event_id}: a timer of an earlier step fired")
                self._begin(Trigger.TIMER)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                if completed.scheduled_event_id not in self._publications:
                    self._begin(Trigger.RESULT)

    def take_command(self, event: HistoryEvent) -> None:
        """Add what the workflow did to the last step."""
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                outcome = event.workflow_execution_update_completed_event_attributes.outcome
                self._add(answered=_size(outcome.success))
            case EventType.EVENT_TYPE_TIMER_STARTED:
                timeout = event.timer_started_event_attributes.start_to_fire_timeout
                self._add(timer=timeout.ToTimedelta().total_seconds())
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                self._take_activity(event)
            case EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
                sent = event.signal_external_workflow_execution_initiated_event_attributes
                kind = sent.workflow_execution.workflow_id.partition("/")[0]
                signal = Call(name=sent.signal_name, sent=_size(sent.input), to=kind)
                self._add(signals=(*self.steps[-1].signals, signal))
            case EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
                child = event.start_child_workflow_execution_initiated_event_attributes
                call = Call(name=child.workflow_type.name, sent=_size(child.input))
                self._add(children=(*self.steps[-1].children, call))

    def _take_activity(self, event: HistoryEvent) -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        name, size = scheduled.activity_type.name, _size(scheduled.input)
        if name == names.PUBLISH_FACTS:
            self._publications.add(event.event_id)
            self._add(published=(*self.steps[-1].published, size))
        else:
            call = Call(name=name, sent=size, returned=self._returned[event.event_id])
            self._add(awaited=(*self.steps[-1].awaited, call))

    def _begin(self, trigger: Trigger, *, name: str = "", received: int = 0) -> None:
        self.steps.append(Step(trigger=trigger, name=name, received=received))

    def _add(self, **changes: object) -> None:
        self.steps[-1] = self.steps[-1].model_copy(update=changes)


def _size(payloads: Payloads) -> int:
    return sum(len(payload.data) for payload in payloads.payloads)
