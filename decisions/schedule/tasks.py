"""When tasks are due, reminded, escalated and expired. Times are UTC."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas import facts as f
from schemas.base import Role
from schemas.protocol import TaskTimes
from schemas.schedule.task import Task, TaskEnd, TaskKind, TaskPlan

OUTLIVES_PARTICIPATION = frozenset(
    {TaskKind.DLT_ADJUDICATION, TaskKind.GRADE_QUERY, TaskKind.SAE_REPORT, TaskKind.SUSAR_REPORT}
)
"""What is due for an adverse event remains due when its participant leaves (docs/domain.md, section 8)."""


def plan_task(times: Mapping[str, TaskTimes], plan: TaskPlan, *, owner: str, number: int, now: datetime) -> Task:
    """
    Return the task that opens now.

    `owner` (subject or arm), `number` and the step make the task's id, the same at every replay. The protocol's `times`
    of its kind give the role, the due time where the plan has none, and the escalation, as many days after the due time
    as the protocol sets. Neither is later than the close of the visit's window.
    """
    rule = times[plan.kind.value]
    due = plan.due_at or now + timedelta(days=rule.due_days)
    escalate = due + timedelta(days=rule.escalate_days - rule.due_days)
    if plan.expires_at is not None:
        due = min(due, plan.expires_at)
        escalate = min(escalate, plan.expires_at)
    return Task(
        id=f"{owner}:{number:02d}-{plan.step}",
        kind=plan.kind,
        step=plan.step,
        title=plan.title,
        role=rule.role,
        opened_at=now,
        due_at=due,
        escalate_at=escalate,
        expires_at=plan.expires_at,
        detail=plan.detail,
    )


def step_of(task_id: str) -> str:
    """Return the step in a task's id."""
    return task_id.split(":", 1)[1].split("-", 1)[1]


def next_deadline(tasks: Iterable[Task]) -> datetime | None:
    """Return the earliest time at which any open task needs a reminder, an escalation or its expiry."""
    return min((deadline for task in tasks for deadline in _deadlines(task)), default=None)


def _deadlines(task: Task) -> list[datetime]:
    pending = []
    if not task.reminded:
        pending.append(task.due_at)
    if not task.escalated:
        pending.append(task.escalate_at)
    if task.expires_at is not None:
        pending.append(task.expires_at)
    return pending


TaskDeadline = f.TaskReminded | f.TaskEscalated | f.TaskClosed


def passed_deadlines(tasks: Iterable[Task], now: datetime) -> list[TaskDeadline]:
    """
    Return the facts that follow from the clock having reached `now`.

    A task whose window has closed expires, and is neither reminded nor escalated at that same time.
    """
    return [fact for task in tasks if (fact := _passed(task, now)) is not None]


def _passed(task: Task, now: datetime) -> TaskDeadline | None:
    system: dict[str, Any] = {"at": now, "who": "system", "role": Role.SYSTEM}
    if task.expires_at is not None and now >= task.expires_at:
        return f.TaskClosed(
            task_id=task.id, end=TaskEnd.EXPIRED, why=f"window closed {_day(task.expires_at)}", **system
        )
    if not task.escalated and now >= task.escalate_at:
        return f.TaskEscalated(task_id=task.id, why=f"no answer by {_day(task.escalate_at)}", **system)
    if not task.reminded and now >= task.due_at:
        return f.TaskReminded(task_id=task.id, why=f"due {_day(task.due_at)}", **system)
    return None


def _day(instant: datetime) -> str:
    return instant.date().isoformat()
