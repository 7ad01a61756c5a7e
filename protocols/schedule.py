"""The schedule of activities as a table for people: one row for each step of one participant."""

from collections.abc import Iterator

from schemas.base import Frozen
from schemas.protocol import Protocol, Visit
from schemas.schedule.task import TaskKind


class ScheduleRow(Frozen):
    """
    One step of the schedule.

    `day` counts from day 0, the first infusion; it is none during screening, which counts from consent.
    `due` counts from the opening of the task; a visit is due by the end of its planned day.
    """

    day: int | None
    window: str
    step: str
    kind: TaskKind
    who: str
    due: str


def schedule_table(protocol: Protocol) -> list[ScheduleRow]:
    """
    Return one participant's steps from screening to end of study, in order.

    The committee's decision belongs to a cohort, not to a participant, and has no row; nor has what only an event or
    a response brings: queries, adjudications, reports, a further cycle.
    """
    return [*_screening(protocol), *_lymphodepletion(protocol), *_treatment(protocol), *_visits(protocol)]


def _screening(protocol: Protocol) -> Iterator[ScheduleRow]:
    window = f"within {protocol.screening_window_days} days of consent"
    for kind in (TaskKind.BIOPSY, TaskKind.ANTIGEN_PANEL, TaskKind.ELIGIBILITY):
        yield _row(protocol, None, window, kind.value.replace("_", "-"), kind)
    if protocol.recist is not None:
        window = f"at most {protocol.recist.baseline_within_days} days before treatment"
        yield _row(protocol, None, window, "baseline-imaging", TaskKind.BASELINE_IMAGING)


def _lymphodepletion(protocol: Protocol) -> Iterator[ScheduleRow]:
    plan = protocol.lymphodepletion
    window = _late(plan.window_after_days)
    yield _row(protocol, plan.days[0], window, "check-before-lymphodepletion", TaskKind.TREATMENT_CHECK)
    for number, day in enumerate(plan.days, start=1):
        yield _row(protocol, day, window, f"lymphodepletion-{number}", TaskKind.LYMPHODEPLETION)


def _treatment(protocol: Protocol) -> Iterator[ScheduleRow]:
    window = _late(protocol.infusions.window_after_days)
    course_window = f"within {protocol.cytokine.window_days} days"
    for number, day in enumerate(protocol.infusions.days, start=1):
        yield _row(protocol, day, window, f"check-before-infusion-{number}", TaskKind.TREATMENT_CHECK)
        yield _row(protocol, day, window, f"infusion-{number}", TaskKind.INFUSION)
        if number in protocol.cytokine.after_infusions:
            yield _row(protocol, day, course_window, f"cytokine-course-{number}", TaskKind.CYTOKINE_COURSE)


def _visits(protocol: Protocol) -> Iterator[ScheduleRow]:
    for visit in protocol.visits:
        kind = TaskKind(visit.kind.value)
        due = f"by the end of day {visit.day}"
        who = protocol.tasks[kind].role.value
        yield ScheduleRow(day=visit.day, window=_around(visit), step=visit.id, kind=kind, who=who, due=due)


def _row(protocol: Protocol, day: int | None, window: str, step: str, kind: TaskKind) -> ScheduleRow:
    times = protocol.tasks[kind]
    due = f"{_days(times.due_days)} after opening"
    return ScheduleRow(day=day, window=window, step=step, kind=kind, who=times.role.value, due=due)


def _late(days: int) -> str:
    return f"up to {_days(days)} late"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _around(visit: Visit) -> str:
    window = f"day {visit.day - visit.window_before_days} to {visit.day + visit.window_after_days}"
    return f"{window}, told up to {_days(visit.late_days)} late" if visit.late_days else window
