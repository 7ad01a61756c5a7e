"""Open tasks as a fold over facts, for a participant and for an arm."""

from typing import assert_never

from schemas import facts as f
from schemas.schedule.task import Task

TaskFact = f.TaskOpened | f.TaskReminded | f.TaskEscalated | f.TaskClosed


def open_tasks(tasks: dict[str, Task], fact: TaskFact) -> dict[str, Task]:
    """Return the open tasks by id after one more fact; raise `KeyError` if a task is reminded that is not open."""
    match fact:
        case f.TaskOpened():
            return tasks | {fact.task.id: fact.task}
        case f.TaskReminded():
            return tasks | {fact.task_id: tasks[fact.task_id].model_copy(update={"reminded": True})}
        case f.TaskEscalated():
            marks = {"reminded": True, "escalated": True}
            return tasks | {fact.task_id: tasks[fact.task_id].model_copy(update=marks)}
        case f.TaskClosed():
            return without_task(tasks, fact.task_id)
        case _:
            assert_never(fact)


def without_task(tasks: dict[str, Task], task_id: str) -> dict[str, Task]:
    """Return the open tasks but for one."""
    return {key: task for key, task in tasks.items() if key != task_id}
