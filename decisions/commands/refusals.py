"""Refusals of commands: one constructor for each rule about who sends what, and when."""

from collections.abc import Iterable
from datetime import date, datetime

from schemas.base import Role, site_of
from schemas.problem import Problem, ProblemType
from schemas.schedule.task import Task, TaskEnd


def invalid_input(field: str, value: str, rule: str, expected: str) -> Problem:
    """The content of a command breaks a rule of its model."""
    return Problem(type=ProblemType.INVALID_INPUT, field=field, value=value, rule=rule, expected=expected)


def unnamed_error(message: str) -> Problem:
    """A workflow failed an update with a message alone, without a problem in its details."""
    return invalid_input("command", "", message, "see the rule")


# Tasks


def unknown_task(owner: str, task_id: str, open_tasks: Iterable[str]) -> Problem:
    """The owner (subject or arm) never had this task; `open_tasks` are the ids of those that are open."""
    return Problem(
        type=ProblemType.UNKNOWN_TASK,
        field="task_id",
        value=task_id,
        rule=f"{owner} has no such task",
        expected=" or ".join(open_tasks) or "no open task now",
    )


def task_already_closed(task_id: str, end: TaskEnd) -> Problem:
    """The task was answered or cancelled, or the window of its visit has closed."""
    expired = end is TaskEnd.EXPIRED
    return Problem(
        type=ProblemType.ANSWER_AFTER_WINDOW if expired else ProblemType.TASK_ALREADY_CLOSED,
        field="task_id",
        value=task_id,
        rule="its window has closed" if expired else f"the task is already {end}",
        expected="an open task",
    )


def wrong_answer_kind(task: Task, kind: str) -> Problem:
    """The answer is of another kind than the task."""
    return invalid_input("answer.kind", kind, f"{task.id} asks for something else", task.kind.value)


def wrong_event(task: Task, event_id: str, expected: str | None) -> Problem:
    """The answer names another adverse event than the task."""
    return invalid_input("answer.event_id", event_id, f"{task.id} is about another adverse event", str(expected))


# Who sends it, and why


def wrong_role(field: str, role: Role, expected: Role) -> Problem:
    """The protocol gives the task to another role."""
    return Problem(
        type=ProblemType.WRONG_ROLE,
        field=field,
        value=role.value,
        rule="the protocol gives this task to another role",
        expected=expected.value,
    )


def wrong_site(site: str, subject: str) -> Problem:
    """A person of one site acts for a participant of another."""
    return Problem(
        type=ProblemType.WRONG_ROLE,
        field="envelope.site",
        value=site,
        rule=f"{subject} belongs to another site",
        expected=site_of(subject),
    )


def reason_required() -> Problem:
    """The command has no reason."""
    return Problem(
        type=ProblemType.REASON_REQUIRED,
        field="envelope.reason",
        value="(none)",
        rule="this command needs a reason",
        expected="a sentence an auditor will understand",
    )


# When


def time_in_future(field: str, instant: datetime, now: datetime) -> Problem:
    """A time lies after now, beyond the tolerance for the sender's clock."""
    return _in_future(field, instant.isoformat(), now.isoformat())


def day_in_future(field: str, day: date, today: date) -> Problem:
    """A day has begun nowhere on Earth yet; `today` is the day in UTC."""
    return _in_future(field, day.isoformat(), today.isoformat())


def before_step(field: str, day: date, earliest: date, step: str) -> Problem:
    """A day (or a time) lies before the step that it must follow, such as 'the consent' on the day `earliest`."""
    return Problem(
        type=ProblemType.DATE_BEFORE_STEP,
        field=field,
        value=day.isoformat(),
        rule=f"lies before {step}",
        expected=f"{earliest.isoformat()} or later",
    )


def participation_ended(subject: str, how: str) -> Problem:
    """The participant has left the study; `how` is the disposition, or the reason of the end."""
    return Problem(
        type=ProblemType.PARTICIPATION_ENDED,
        field="subject",
        value=subject,
        rule=f"participation has ended ({how})",
        expected="a participant who is on study",
    )


def _in_future(field: str, value: str, latest: str) -> Problem:
    return Problem(
        type=ProblemType.DATE_IN_FUTURE,
        field=field,
        value=value,
        rule="lies in the future",
        expected=f"at most {latest}",
    )
