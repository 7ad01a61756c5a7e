"""
The yardstick: Temporal workflows that give the same commands as real ones, and do nothing else.

A participant of the yardstick goes through a script that was read from a real participant's history; an arm and a study
of the yardstick react as real ones did. Every payload is as large as the real one. What remains of the difference in
speed is what the trial's own rules, facts and transactions cost.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.workflow import ActivityHandle, ParentClosePolicy

from schemas import names
from schemas.base import Frozen
from simulation.yardstick_script import Call, Script, Step, Trigger
from workflows import activity_options

YARDSTICK_QUEUE = "yardstick"
ANSWER = "answer"
"""The activity that stands for all that are awaited."""
NOT_READY = "NotReady"
_EMPTY = len('{"name":"","text":"","answered":100}')


class Message(Frozen):
    """All that travels: who sent it, how many bytes the answer shall have, and text that fills it up."""

    name: str = ""
    text: str = ""
    answered: int = 0
    sender: str | None = None


def message_of(size: int, name: str = "", *, answered: int = 0, sender: str | None = None) -> Message:
    """Return a message of about so many bytes of JSON."""
    text = "x" * (size - _EMPTY - len(name) - len(sender or ""))
    return Message(name=name, text=text, answered=answered, sender=sender)


class Commands:
    """Publications and signals: given beside what the main loop does, and waited for where a run ends."""

    def __init__(self) -> None:
        self._recorded = 0
        self._publisher: asyncio.Task[None] | None = None
        self._under_way: list[asyncio.Task[None]] = []

    def give(self, step: Step, receivers: Mapping[str, str | None]) -> None:
        """Publish and signal what a step says; `receivers` are workflow ids by their kind."""
        self._publish(sum(step.published))
        for call in step.signals:
            receiver = receivers.get(call.to)
            if receiver is not None:
                self._under_way.append(asyncio.create_task(_signal(call, receiver)))

    async def drain(self) -> None:
        """Wait for all of them."""
        while self._under_way:
            await self._under_way.pop()

    def _publish(self, size: int) -> None:
        self._recorded += size
        if self._recorded and (self._publisher is None or self._publisher.done()):
            self._publisher = asyncio.create_task(self._publish_all())
            self._under_way.append(self._publisher)

    async def _publish_all(self) -> None:
        while self._recorded:
            size, self._recorded = self._recorded, 0
            await workflow.execute_activity(names.PUBLISH_FACTS, message_of(size), **activity_options.TRANSACTION)


async def _signal(call: Call, receiver: str) -> None:
    message = message_of(call.sent, call.name, sender=workflow.info().workflow_id)
    await workflow.get_external_workflow_handle(receiver).signal("receive", message)


@workflow.defn
class YardstickParticipant:
    """Goes through a script, most of which it loads as a participant loads its protocol."""

    @workflow.init
    def __init__(self, start: Message) -> None:
        study, _subject = names.parts_of(workflow.info().workflow_id)
        self._receivers = {"study": names.study_id(study), "arm": start.sender}
        self._commands = Commands()
        self._results: deque[ActivityHandle[Message | None]] = deque()
        self._received = {Trigger.UPDATE: 0, Trigger.SIGNAL: 0}
        self._taken = {Trigger.UPDATE: 0, Trigger.SIGNAL: 0}
        self._waits_for = Trigger.START

    @workflow.run
    async def run(self, start: Message) -> Message:
        """Wait for each step's trigger, and give its commands."""
        steps = deque(Script.model_validate_json(start.text).steps)
        step = steps.popleft()
        self._give(step)
        while steps:
            seconds, step = step.timer, steps.popleft()
            self._waits_for = step.trigger
            steps.extend(await self._wait_for(step.trigger, seconds))
            self._give(step)
        await self._commands.drain()
        return message_of(0)

    async def _wait_for(self, trigger: Trigger, seconds: float | None) -> Iterable[Step]:
        """Wait for a trigger; return the steps that came with it."""
        match trigger:
            case Trigger.RESULT:
                result = await self._results.popleft()
                is_script = result is not None and result.name == names.LOAD_PROTOCOL
                return Script.model_validate_json(result.text).steps if result and is_script else ()
            case Trigger.TIMER:
                await _until(lambda: False, seconds)
            case Trigger.UPDATE | Trigger.SIGNAL:
                self._taken[trigger] += 1
                await _until(lambda: self._received[trigger] >= self._taken[trigger], seconds)
                # A timer that fires before is not begun again.
                await workflow.wait_condition(lambda: self._received[trigger] >= self._taken[trigger])
            case _:
                raise ApplicationError(f"{trigger.value} is nothing to wait for")
        return ()

    def _give(self, step: Step) -> None:
        for call in step.awaited:
            name = call.name if call.name == names.LOAD_PROTOCOL else ANSWER
            message = message_of(call.sent, answered=call.returned)
            handle = workflow.start_activity(name, message, result_type=Message, **activity_options.TRANSACTION)
            self._results.append(handle)
        self._commands.give(step, self._receivers)

    @workflow.signal
    def receive(self, message: Message) -> None:  # noqa: ARG002 - its size is what counts
        """Take a signal."""
        self._received[Trigger.SIGNAL] += 1

    @workflow.update
    def take(self, message: Message) -> Message:
        """Take an update."""
        self._received[Trigger.UPDATE] += 1
        return message_of(message.answered)

    @take.validator
    def _check_take(self, message: Message) -> None:  # noqa: ARG002 - any message is right at the right time
        if self._waits_for is not Trigger.UPDATE:
            raise ApplicationError("another step comes first", type=NOT_READY)


async def _until(condition: Callable[[], bool], seconds: float | None) -> None:
    with suppress(TimeoutError):
        await workflow.wait_condition(condition, timeout=seconds)


@workflow.defn
class YardstickOwner:
    """Stands for an arm or a study, which many participants share: reacts to each signal and update by its name."""

    @workflow.init
    def __init__(self, start: Message) -> None:
        self._reactions = Script.model_validate_json(start.text).by_name
        self._commands = Commands()
        self._waiting: list[Message] = []

    @workflow.run
    async def run(self, start: Message) -> None:
        """Run for as long as the benchmark does."""
        while True:
            await workflow.wait_condition(lambda: bool(self._waiting))
            while self._waiting:
                message = self._waiting.pop(0)
                if message.name in self._reactions:
                    self._commands.give(self._reactions[message.name], {"participant": message.sender})
            if workflow.info().is_continue_as_new_suggested():
                await self._commands.drain()
                workflow.continue_as_new(start)

    @workflow.signal
    def receive(self, message: Message) -> None:
        """Take a signal of a participant."""
        self._waiting.append(message)

    @workflow.update
    async def enroll(self, message: Message) -> Message:
        """Start a participant: its id is the message's name, its arm the sender, the text begins its script."""
        child = self._reactions["enroll"].children[0]
        await workflow.start_child_workflow(
            YardstickParticipant.run,
            Message(text=message.text.ljust(child.sent - _EMPTY), sender=message.sender),
            id=message.name,
            parent_close_policy=ParentClosePolicy.ABANDON,
        )
        self._waiting.append(Message(name="enroll"))
        return message_of(message.answered)
