"""When tasks are due, reminded, escalated and expired."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.schedule.tasks import next_deadline, passed_deadlines, plan_task, step_of
from schemas import facts as f
from schemas.base import Role
from schemas.protocol import TaskTimes
from schemas.schedule.task import Task, TaskEnd, TaskKind, TaskPlan

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TIMES = {
    "safety": TaskTimes(role=Role.INVESTIGATOR, due_days=1, escalate_days=3),
    "imaging": TaskTimes(role=Role.COORDINATOR, due_days=7, escalate_days=10),
}
SYSTEM: dict[str, Any] = {"who": "system", "role": Role.SYSTEM}


def after(days: float) -> datetime:
    """Return the moment so many days after now."""
    return NOW + timedelta(days=days)


def plan(kind: TaskKind = TaskKind.SAFETY, *, owner: str = "CN01-001", number: int = 7, **changes: object) -> Task:
    """Return the task of a participant that opens now."""
    parts: dict[str, Any] = {"step": "safety-day-21", "title": "Safety visit"}
    return plan_task(TIMES, TaskPlan(kind=kind, **parts | changes), owner=owner, number=number, now=NOW)


def test_a_task_is_due_and_escalated_by_the_protocol_s_days() -> None:
    """Role and times are those of its kind, counted from its opening; nothing expires it."""
    assert plan() == Task(
        id="CN01-001:07-safety-day-21",
        kind=TaskKind.SAFETY,
        step="safety-day-21",
        title="Safety visit",
        role=Role.INVESTIGATOR,
        opened_at=NOW,
        due_at=after(1),
        escalate_at=after(3),
        expires_at=None,
        reminded=False,
        escalated=False,
        detail={},
    )
    imaging = plan(TaskKind.IMAGING)
    assert (imaging.role, imaging.due_at, imaging.escalate_at) == (Role.COORDINATOR, after(7), after(10))


def test_a_task_carries_what_to_do() -> None:
    """Doses, units and the planned day go with it."""
    assert plan(detail={"unit": "U-001"}).detail == {"unit": "U-001"}


@pytest.mark.parametrize(
    ("due", "expires", "expected_due", "expected_escalation"),
    [
        # A visit is due by its planned day, and escalated as many days later as the kind says.
        (5.0, None, 5.0, 7.0),
        (5.0, 10.0, 5.0, 7.0),
        (5.0, 7.0, 5.0, 7.0),
        # Neither comes after the window has closed.
        (5.0, 6.0, 5.0, 6.0),
        (5.0, 5.0, 5.0, 5.0),
        (5.0, 4.0, 4.0, 4.0),
        (None, 0.5, 0.5, 0.5),
        (None, 2.0, 1.0, 2.0),
    ],
)
def test_reminder_and_escalation_come_no_later_than_the_window_s_close(
    due: float | None, expires: float | None, expected_due: float, expected_escalation: float
) -> None:
    """A visit whose window closes early is chased before it closes."""
    task = plan(due_at=None if due is None else after(due), expires_at=None if expires is None else after(expires))

    assert (task.due_at, task.escalate_at) == (after(expected_due), after(expected_escalation))
    assert task.expires_at == (None if expires is None else after(expires))


@pytest.mark.parametrize(
    ("owner", "number", "step"),
    [
        ("CN01-001", 7, "safety-day-21"),
        ("CN01-001", 123, "biopsy"),
        ("single-target", 1, "cohort-1"),
    ],
)
def test_a_task_s_id_gives_its_step_back(owner: str, number: int, step: str) -> None:
    """Owner and number may hold dashes and more digits."""
    assert step_of(plan(owner=owner, number=number, step=step).id) == step


def test_a_step_may_hold_a_colon() -> None:
    """Only the first one parts the owner from the rest."""
    assert step_of("CN01-001:07-visit:extra-1") == "visit:extra-1"


OPEN = plan(expires_at=after(5))
REMINDED = OPEN.model_copy(update={"reminded": True})
ESCALATED = OPEN.model_copy(update={"reminded": True, "escalated": True})
ENDLESS = plan()


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], None),
        ([OPEN], 1.0),
        ([REMINDED], 3.0),
        ([ESCALATED], 5.0),
        ([ENDLESS.model_copy(update={"reminded": True, "escalated": True})], None),
        ([OPEN.model_copy(update={"escalated": True, "due_at": after(9)})], 5.0),
        ([ESCALATED, REMINDED], 3.0),
        ([ESCALATED, OPEN], 1.0),
    ],
)
def test_the_next_deadline_is_the_earliest_of_any_task(tasks: list[Task], expected: float | None) -> None:
    """Reminder, escalation, expiry: each counts until it is past, and a task that needs none has none."""
    assert next_deadline(tasks) == (None if expected is None else after(expected))


def reminded(at: datetime) -> f.TaskReminded:
    """Make the fact of the reminder."""
    return f.TaskReminded(**SYSTEM, at=at, task_id=OPEN.id, why="due 2026-03-03")


def escalated(at: datetime) -> f.TaskEscalated:
    """Make the fact of the escalation."""
    return f.TaskEscalated(**SYSTEM, at=at, task_id=OPEN.id, why="no answer by 2026-03-05")


def expired(at: datetime) -> f.TaskClosed:
    """Make the fact of the expiry."""
    return f.TaskClosed(**SYSTEM, at=at, task_id=OPEN.id, end=TaskEnd.EXPIRED, why="window closed 2026-03-07")


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("task", "now", "expected"),
    [
        (OPEN, after(1) - SECOND, None),
        (OPEN, after(1), reminded(after(1))),
        (REMINDED, after(1), None),
        (REMINDED, after(3) - SECOND, None),
        (REMINDED, after(3), escalated(after(3))),
        # Who was never reminded is escalated all the same.
        (OPEN, after(3), escalated(after(3))),
        (ESCALATED, after(3), None),
        (ESCALATED, after(5) - SECOND, None),
        (ESCALATED, after(5), expired(after(5))),
        # At its close a task expires, and is neither reminded nor escalated.
        (OPEN, after(5), expired(after(5))),
        (ENDLESS, after(900), escalated(after(900))),
        (ENDLESS.model_copy(update={"reminded": True, "escalated": True}), after(900), None),
    ],
)
def test_a_deadline_that_passed_leaves_its_fact(task: Task, now: datetime, expected: f.Fact | None) -> None:
    """The moment itself counts as passed, and the fact says which day it was."""
    assert passed_deadlines([task], now) == ([] if expected is None else [expected])


def test_every_task_has_its_own_deadline() -> None:
    """The facts come in the order of the tasks, and only for those that need one."""
    late = plan(number=8, step="imaging-week-8", kind=TaskKind.IMAGING)
    due = [REMINDED, OPEN, late, OPEN]

    assert [fact.kind for fact in passed_deadlines(due, after(2))] == ["task_reminded", "task_reminded"]


@given(due=st.integers(1, 20), expires=st.none() | st.integers(1, 20), steps=st.lists(st.integers(1, 10), max_size=6))
def test_chasing_a_task_comes_to_an_end(due: int, expires: int | None, steps: list[int]) -> None:
    """Facts come only when a deadline has passed, and once all have, none is left but the expiry that closes it."""
    task = plan(due_at=after(due), expires_at=None if expires is None else after(expires))
    now = NOW

    for step in steps:
        now += timedelta(days=step)
        deadline = next_deadline([task])
        facts = passed_deadlines([task], now)
        assert bool(facts) == (deadline is not None and deadline <= now)
        for fact in facts:
            if isinstance(fact, f.TaskClosed):
                return
            marks = {"reminded": True, "escalated": isinstance(fact, f.TaskEscalated)}
            task = task.model_copy(update=marks)
