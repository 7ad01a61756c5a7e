"""Tasks on the screen."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.output import when
from cli.tables import table


def show_worklist(study: str, tasks: Sequence[Mapping[str, Any]]) -> None:
    """Show open tasks, overdue ones in red."""
    now = datetime.now(UTC)
    overdue = [_is_overdue(task, now) for task in tasks]
    rows = [
        (f"{task['task_id']}\n{task['title']}", _due(task, late=late), f"{task['role']} {task['site'] or ''}".strip())
        for task, late in zip(tasks, overdue, strict=True)
    ]
    table(f"Open tasks of {study}", ("Task", "Due (UTC)", "Role, site"), rows, red=overdue)


def _is_overdue(task: Mapping[str, Any], now: datetime) -> bool:
    # Reminded and escalated tasks are overdue by their workflow's own clock, which a simulation runs ahead of ours.
    return bool(task["due_at"] <= now or task["urgency"] != "open")


def _due(task: Mapping[str, Any], *, late: bool) -> str:
    urgency = "overdue" if late and task["urgency"] == "open" else task["urgency"]
    closes = f"closes {when(task['expires_at'])}" if task["expires_at"] else ""
    return "\n".join(part for part in (when(task["due_at"]), urgency if late else "", closes) if part)


def show_task(task: Mapping[str, Any]) -> None:
    """Show what a task asks for."""
    times = [(name, when(task[name])) for name in ("opened_at", "due_at", "expires_at")]
    words = [(name, task[name]) for name in ("kind", "role", "site", "status", "urgency")]
    table(task["title"], ("Task", task["task_id"]), [*words, *times, *task["detail"].items()])
