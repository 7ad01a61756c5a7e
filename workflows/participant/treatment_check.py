"""The re-check of treatment criteria before lymphodepletion and before each infusion."""

from datetime import datetime, timedelta

from decisions.dlt.status import open_events
from decisions.treatment.readiness import failed_treatment_criteria, treatment_is_over
from schemas import facts as f
from schemas.commands.answers import TreatmentCheck
from schemas.schedule.task import TaskKind, TaskPlan
from schemas.state.participant import ParticipantState
from workflows.journal import system
from workflows.participant.schedule import Schedule
from workflows.workflow_time import now


async def pass_check(schedule: Schedule, step: str, planned: datetime, closes: datetime) -> bool:
    """
    Ask for the criteria before a step, again while its window lasts, and wait while on hold.

    Returns:
        Whether the criteria were met before `closes`.
    """
    await _wait_for_recheck(schedule)
    attempt = 1 + schedule.tasks.closed(_prefix(step))
    while now() < closes and not treatment_is_over(schedule.state, step):
        if is_held(schedule.state) and not await schedule.wait(lambda: not is_held(schedule.state), closes):
            return False
        plan = TaskPlan(
            kind=TaskKind.TREATMENT_CHECK,
            step=f"{_prefix(step)}{attempt}",
            title=f"Check the criteria before {step}",
            due_at=max(planned, now() + timedelta(days=1)),
            expires_at=closes,
        )
        if not await schedule.ask(plan):
            return False
        if schedule.state.last_check_go:
            return True
        attempt += 1
        again = now() + timedelta(days=schedule.protocol.treatment_criteria.recheck_after_days)
        schedule.mark(recheck_at=min(closes, again))
        await _wait_for_recheck(schedule)
    return False


async def _wait_for_recheck(schedule: Schedule) -> None:
    if schedule.marks.recheck_at is not None:
        await schedule.until(schedule.marks.recheck_at)
        schedule.mark(recheck_at=None)


def has_passed(schedule: Schedule, step: str) -> bool:
    """Tell whether the latest check before a step was passed, and none is open."""
    is_asked_again = any(task.step.startswith(_prefix(step)) for task in schedule.state.tasks.values())
    return bool(schedule.state.last_check_go) and schedule.tasks.answered(_prefix(step)) > 0 and not is_asked_again


def is_held(state: ParticipantState) -> bool:
    """Tell whether an infusion has to wait: for a hold, or for a possible DLT that nobody has judged."""
    return state.on_hold() or bool(open_events(state))


def record_check(schedule: Schedule, step: str, check: TreatmentCheck) -> None:
    """Judge the answer to a check, and record what it means."""
    form = schedule.state.eligibility_form
    failed = failed_treatment_criteria(
        schedule.protocol,
        check,
        before_lymphodepletion="lymphodepletion" in step,
        liver_metastases=form.liver_metastases if form else None,
        gilbert_syndrome=form.gilbert_syndrome if form else None,
    )
    why = "; ".join(failed) or "all treatment criteria are met"
    schedule.journal.record(f.TreatmentChecked(step=step, go=not failed, failed=failed, **system(why)))


def _prefix(step: str) -> str:
    return f"treatment-check-{step}."
