"""A participant's tasks: opened, cancelled, reminded, escalated and expired."""

from collections.abc import Mapping
from datetime import datetime

from decisions.schedule.tasks import next_deadline, passed_deadlines, plan_task, step_of
from schemas.facts import ParticipantFact, TaskClosed, TaskOpened
from schemas.protocol import TaskTimes
from schemas.schedule.task import Task, TaskEnd, TaskPlan
from schemas.state.participant import ParticipantState
from workflows.journal import Journal, system
from workflows.workflow_time import now


class Tasks:
    """The tasks of one participant; `times` are the protocol's, once it is loaded."""

    def __init__(self, journal: Journal[ParticipantState, ParticipantFact]) -> None:
        self.times: Mapping[str, TaskTimes] = {}
        self._journal = journal

    def open(self, plan: TaskPlan) -> Task:
        """Open the task of a step, unless it is open already; return it."""
        state = self._journal.state
        is_open = self.open_task(plan.step)
        if is_open is not None:
            return is_open
        task = plan_task(self.times, plan, owner=state.subject, number=state.tasks_opened + 1, now=now())
        why = plan.why or f"schedule of activities: {plan.step}"
        self._journal.record(TaskOpened(task=task, **system(why)))
        return task

    def open_once(self, plan: TaskPlan) -> None:
        """Open the task of a step that was never open before."""
        if self.end_of(plan.step) is None:
            self.open(plan)

    def cancel(self, task: Task, why: str) -> None:
        """Take a task off the worklist."""
        self._journal.record(TaskClosed(task_id=task.id, end=TaskEnd.CANCELLED, **system(why)))

    def open_task(self, step: str) -> Task | None:
        """Return the open task of a step, if there is one."""
        return next((task for task in self._journal.state.tasks.values() if task.step == step), None)

    def end_of(self, step: str) -> TaskEnd | None:
        """Return how the task of a step ended, if it did."""
        closed = self._journal.state.closed.items()
        return next((end for task_id, end in closed if step_of(task_id) == step), None)

    def was_answered(self, step: str) -> bool:
        """Tell whether the task of a step was answered."""
        return self.end_of(step) is TaskEnd.ANSWERED

    def answered(self, prefix: str) -> int:
        """Count the answered tasks whose step begins so."""
        closed = self._journal.state.closed.items()
        steps = (step_of(task_id) for task_id, end in closed if end is TaskEnd.ANSWERED)
        return sum(step.startswith(prefix) for step in steps)

    def closed(self, prefix: str) -> int:
        """Count the closed tasks whose step begins so."""
        return sum(step_of(task_id).startswith(prefix) for task_id in self._journal.state.closed)

    def review(self, *, ending: bool) -> None:  # noqa: ARG002 - reports that outlive the participation have deadlines too
        """Remind, escalate and expire what is due."""
        for fact in passed_deadlines(self._journal.state.tasks.values(), now()):
            self._journal.record(fact)

    def next_at(self, *, ending: bool) -> datetime | None:  # noqa: ARG002 - see review
        """Return the next reminder, escalation or expiry."""
        return next_deadline(self._journal.state.tasks.values())
