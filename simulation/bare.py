"""The yardstick: a Temporal workflow that takes the same updates and timers as a participant, and does nothing."""

from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from simulation.progress import passed_timer

BARE_QUEUE = "bare"


class Step(BaseModel):
    """A timer of so many seconds: one that fires, or one that an update overtakes (or an update without a timer)."""

    seconds: float | None = None
    fires: bool


class Script(BaseModel):
    """What happens to the workflow, in order."""

    steps: list[Step]


class Poke(BaseModel):
    """An update as large as an answer usually is."""

    person: str = "coordinator-01"
    text: str = "x" * 250


@workflow.defn
class BareWorkflow:
    """Waits for timers and updates, in the order of its script."""

    @workflow.init
    def __init__(self, script: Script) -> None:
        """Count updates from zero."""
        self._script = script
        self._updates = 0

    @workflow.run
    async def run(self, script: Script) -> int:
        """Go through the script; return how many updates came."""
        due = 0
        for step in script.steps:
            if step.fires:
                await workflow.sleep(timedelta(seconds=step.seconds or 0))
                if not workflow.unsafe.is_replaying():
                    passed_timer(workflow.info().workflow_id)
                continue
            due += 1
            await self._until_updated(due, step.seconds)
        return self._updates

    async def _until_updated(self, due: int, seconds: float | None) -> None:
        try:
            await workflow.wait_condition(lambda: self._updates >= due, timeout=seconds)
        except TimeoutError:
            await workflow.wait_condition(lambda: self._updates >= due)

    @workflow.update
    async def poke(self, poke: Poke) -> Poke:
        """Count an update, and answer with a little."""
        self._updates += 1
        return Poke(text=poke.person)


def script_of(history: WorkflowHistory) -> Script:
    """Read a participant's history as a script: the same timers and updates in the same order."""
    seconds: dict[int, float] = {}
    steps: list[Step] = []
    # Of one workflow task: the updates that it answered, and the timers that they overtook, in whichever order.
    answered: list[Step] = []
    overtaken: list[float] = []
    for event in history.events:
        match event.event_type:
            case EventType.EVENT_TYPE_TIMER_STARTED:
                started = event.timer_started_event_attributes
                seconds[event.event_id] = started.start_to_fire_timeout.ToTimedelta().total_seconds()
            case EventType.EVENT_TYPE_TIMER_FIRED:
                fired = event.timer_fired_event_attributes.started_event_id
                steps.append(Step(seconds=seconds[fired], fires=True))
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                answered, overtaken = [], []
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                answered.append(Step(fires=False))
                steps.append(answered[-1])
            case EventType.EVENT_TYPE_TIMER_CANCELED:
                overtaken.append(seconds[event.timer_canceled_event_attributes.started_event_id])
            case _:
                continue
        for step, timer in zip(answered, overtaken, strict=False):
            step.seconds = timer
    return Script(steps=steps)
