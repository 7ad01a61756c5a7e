"""Cytokine support of the infused cells in a participant's schedule."""

from datetime import datetime, timedelta

from decisions.treatment.courses import PlannedCourse, course_detail, course_title, judge_support, planned_courses
from schemas import facts as f
from schemas.dlt.outcome import DltStatus
from schemas.schedule.task import TaskKind, TaskPlan
from schemas.treatment.support import CytokineRules, SupportState, SupportVerdict
from workflows.journal import system
from workflows.participant.schedule import Schedule, start_of
from workflows.workflow_time import now


class CytokineCourses:
    """Opens, holds and stops the courses after infusions by the protocol's rules; without rules it does nothing."""

    def __init__(self, schedule: Schedule) -> None:
        """Act in this schedule."""
        self._schedule = schedule
        self._judge_at: datetime | None = None

    def review(self, *, ending: bool) -> None:
        """Judge every course that is not over."""
        self._judge_at = None
        cytokine = self._schedule.protocol.cytokine
        if ending or cytokine.rules is None:
            return
        for course in planned_courses(cytokine, self._schedule.state):
            if not self._is_over(course.step):
                self._review_course(cytokine.rules, course)

    def next_at(self, *, ending: bool) -> datetime | None:
        """Return when a course that is held is judged again, or its window closes."""
        return None if ending else self._judge_at

    def _is_over(self, step: str) -> bool:
        return step in self._schedule.state.skipped or self._schedule.tasks.end_of(step) is not None

    def _review_course(self, rules: CytokineRules, course: PlannedCourse) -> None:
        closes = start_of(course.closes_on + timedelta(days=1))
        ended = self._treatment_ended()
        if ended is not None:
            self._withhold(course, ended)
            return
        verdict = self._judge(rules)
        is_open = self._schedule.tasks.open_task(course.step) is not None
        if verdict.state is SupportState.STOP:
            self._withhold(course, f"the cytokine is stopped: {verdict.why}")
        elif not is_open and now() >= closes:
            self._withhold(course, f"held until its window closed: {verdict.why}")
        elif verdict.state is SupportState.HOLD:
            again = closes if verdict.next_on is None else min(closes, start_of(verdict.next_on))
            self._judge_at = again if self._judge_at is None else min(self._judge_at, again)
        elif not is_open:
            self._open(course, closes)

    def _treatment_ended(self) -> str | None:
        state = self._schedule.state
        if state.treatment_stopped:
            return "study treatment has stopped"
        return "a dose-limiting toxicity ended study treatment" if state.dlt is DltStatus.DLT else None

    def _judge(self, rules: CytokineRules) -> SupportVerdict:
        earlier = self._schedule.state.cytokine
        verdict = judge_support(rules, self._schedule.state, now().date())
        if earlier is None or earlier.state is not verdict.state:
            self._schedule.journal.record(f.CytokineJudged(verdict=verdict, **system(verdict.why)))
        return verdict

    def _withhold(self, course: PlannedCourse, why: str) -> None:
        task = self._schedule.tasks.open_task(course.step)
        if task is not None:
            self._schedule.tasks.cancel(task, why)
        self._schedule.skip(course.step, why)

    def _open(self, course: PlannedCourse, closes: datetime) -> None:
        plan = TaskPlan(
            kind=TaskKind.CYTOKINE_COURSE,
            step=course.step,
            title=course_title(course.step),
            expires_at=closes,
            detail=course_detail(self._schedule.protocol.cytokine),
        )
        self._schedule.tasks.open(plan)
