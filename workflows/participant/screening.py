"""Screening: biopsy, antigen panel and eligibility, within the screening window from consent."""

from datetime import datetime, timedelta

from decisions.screening.eligibility import judge_eligibility
from decisions.screening.profiling import profile_antigens
from schemas import facts as f
from schemas.dlt.outcome import Disposition
from schemas.schedule.task import TaskKind, TaskPlan
from schemas.screening.panel import ProfileOutcome
from workflows.journal import system
from workflows.participant.schedule import Schedule, ScheduleEndedError, start_of


async def screen(schedule: Schedule) -> None:
    """
    Screen until the participant is eligible.

    Raises:
        ScheduleEndedError: screen failure.
    """
    judged = schedule.state.eligibility
    if judged is not None and judged.outcome == "eligible":
        return
    biopsy = "Arrange the tumour biopsy (tissue preferred) or a blood sample"
    schedule.tasks.open_once(_plan(schedule, TaskKind.BIOPSY, "biopsy-1", biopsy))
    schedule.tasks.open_once(_plan(schedule, TaskKind.ELIGIBILITY, "eligibility-1", "Enter the eligibility data"))
    await _profile(schedule)
    await _judge_eligibility(schedule)


async def _profile(schedule: Schedule) -> None:
    attempt = 1 if schedule.state.profile is None else 1 + schedule.tasks.answered("antigen-panel-")
    while schedule.state.profile is None or schedule.state.profile.outcome is ProfileOutcome.REPEAT_BIOPSY:
        await _ask(schedule, TaskKind.BIOPSY, f"biopsy-{attempt}", "Repeat the tumour biopsy")
        await _ask(schedule, TaskKind.ANTIGEN_PANEL, f"antigen-panel-{attempt}", "Report the antigen panel")
        panel = schedule.state.panel
        if panel is None:
            raise ScheduleEndedError(Disposition.SCREEN_FAILURE, "no antigen panel was reported")
        profile = profile_antigens(schedule.protocol, panel, schedule.state.biopsies)
        schedule.journal.record(f.AntigensProfiled(profile=profile, **system(profile.reason)))
        attempt += 1
    if schedule.state.profile.outcome is ProfileOutcome.INSUFFICIENT:
        raise ScheduleEndedError(Disposition.SCREEN_FAILURE, schedule.state.profile.reason)


async def _judge_eligibility(schedule: Schedule) -> None:
    attempt = 1 if schedule.state.eligibility is None else 1 + schedule.tasks.answered("eligibility-")
    while True:
        await _ask(schedule, TaskKind.ELIGIBILITY, f"eligibility-{attempt}", "Complete the eligibility data")
        form = schedule.state.eligibility_form
        if form is None:
            raise ScheduleEndedError(Disposition.SCREEN_FAILURE, "no eligibility data was entered")
        rules, state = schedule.protocol.eligibility, schedule.state
        verdict = judge_eligibility(rules, state.age_years, form, state.profile)
        why = "; ".join(verdict.reasons()) or "all inclusion criteria are met and no exclusion criterion is"
        schedule.journal.record(f.EligibilityJudged(verdict=verdict, **system(why)))
        if verdict.outcome == "eligible":
            return
        if verdict.outcome == "ineligible":
            raise ScheduleEndedError(Disposition.SCREEN_FAILURE, why)
        attempt += 1


async def _ask(schedule: Schedule, kind: TaskKind, step: str, title: str) -> None:
    if not await schedule.ask(_plan(schedule, kind, step, title)):
        why = f"the screening window closed before {step} was answered"
        raise ScheduleEndedError(Disposition.SCREEN_FAILURE, why)


def _plan(schedule: Schedule, kind: TaskKind, step: str, title: str) -> TaskPlan:
    return TaskPlan(kind=kind, step=step, title=title, expires_at=_closes(schedule))


def _closes(schedule: Schedule) -> datetime:
    days = schedule.protocol.screening_window_days + 1
    return start_of(schedule.state.consent_signed_on) + timedelta(days=days)
