"""What parts of a participant's workflow may do in its schedule: ask people, wait, and record."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from schemas.facts import ParticipantFact
from schemas.protocol import Protocol
from schemas.schedule.task import Task
from schemas.state.participant import ParticipantState
from workflows.journal import Journal


@dataclass(frozen=True)
class Schedule:
    """
    The schedule as its parts see it.

    `open` and `ask` take the kind, the step and the title of a task, and its times and detail by name; `open` also why,
    where a rule asks for it. `wait` comes back with whether its condition became true before the moment, `until` at the
    moment.
    """

    journal: Journal[ParticipantState, ParticipantFact]
    rules: Callable[[], Protocol]
    open: Callable[..., Task]
    ask: Callable[..., Awaitable[bool]]
    wait: Callable[[Callable[[], bool], datetime | None], Awaitable[bool]]
    until: Callable[[datetime], Awaitable[None]]
    cancel: Callable[[Task, str], None]
    skip: Callable[[str, str], None]

    @property
    def state(self) -> ParticipantState:
        """The participant's state now."""
        return self.journal.state

    def open_task(self, step: str) -> Task | None:
        """Return the open task of a step, if there is one."""
        return next((task for task in self.state.tasks.values() if task.step == step), None)


def start_of(day: date) -> datetime:
    """Return the moment at which a day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
