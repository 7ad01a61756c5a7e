"""
A participant's adverse events: what they ask of people, and what is told of them.

The participant's workflow owns one `Safety` and calls it; all rules are in `decisions/`. Where the protocol has neither
a DLT definition nor reporting clocks, events are only kept.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from decisions.dlt.criteria import find_candidate
    from decisions.dlt.outcome import first_infusion_on
    from decisions.dlt.status import dlt_status_of, due_events, next_review_on
    from decisions.safety import adverse_events as events
    from decisions.safety import amendments
    from decisions.safety.event_ids import report_key
    from decisions.safety.report_changes import VersionTimes, report_changes, reports_after_receipt
    from decisions.safety.summary import concerns_arm, concerns_study, summary_of
    from schemas import facts as f
    from schemas import messages as m
    from schemas import names
    from schemas.commands.answers import Answer, DltAdjudication, InfusionGiven, SaeReported
    from schemas.commands.commands import Accepted, AmendAdverseEvent, ReportAdverseEvent
    from schemas.problem import Problem
    from schemas.safety.adverse_events import AdverseEvent
    from schemas.safety.reports import ReportDue, ReportKind, ReportRow
    from schemas.safety.summary import EventDlt
    from schemas.safety.toxicity import ComputedGrade
    from schemas.schedule.task import Task, TaskKind
    from schemas.state.participant import ParticipantState
    from workflows.journal import person, system
    from workflows.moments import now
    from workflows.outbound import News
    from workflows.participant_schedule import Schedule, start_of

_REPORT_TASKS = {
    ReportKind.SAE: (TaskKind.SAE_REPORT, "Report {term} to the sponsor as serious"),
    ReportKind.SUSAR: (TaskKind.SUSAR_REPORT, "Report {term} to the authority as a SUSAR"),
    ReportKind.SUSAR_FOLLOW_UP: (TaskKind.SUSAR_REPORT, "Follow up the SUSAR report of {term}"),
}


class Safety:
    """Adverse events of one participant; every method leaves the state whole before it awaits anything."""

    def __init__(self, schedule: Schedule, news: News, judge: Callable[[], Awaitable[None]]) -> None:
        """Act in this schedule; `judge` has the DLT judged by what is known now."""
        self._schedule, self._news, self._judge = schedule, news, judge
        self._journal = schedule.journal
        self._arm_news: str | None = None
        self._study_news: str | None = None

    @property
    def _state(self) -> ParticipantState:
        return self._journal.state

    @property
    def untold(self) -> bool:
        """Whether the arm or the study is still to be told of something."""
        return self._arm_news is not None or self._study_news is not None

    # ------------------------------------------------------------------ what people send

    async def report(self, command: ReportAdverseEvent) -> Accepted:
        """Record an adverse event, and ask what it asks for."""
        self._schedule.rules()
        event, event_id = command.event, events.next_event_id(self._state)
        computed = events.computed_grade(event)
        fact = f.AdverseEventReported(
            event=event,
            event_id=event_id,
            computed=computed,
            **person(command.envelope, f"{event.term}, grade {event.grade}"),
        )
        accepted = self._journal.record(fact)
        self._query_grade(event_id, computed, None)
        self._change_clocks(event_id, None, event)
        self._tell_of((event,), f"{event_id} was reported: {fact.why}")
        self._find(event_id)
        await self._judge()
        return accepted

    def refused(self, command: AmendAdverseEvent) -> Problem | None:
        """Say why an amendment may not stand, or none."""
        known = {name: events.newest_version(self._state, name) for name in events.event_ids(self._state)}
        return amendments.refused_amendment(known, command.event_id, command.version, command.event)

    async def amend(self, command: AmendAdverseEvent) -> Accepted:
        """Record a new version of an adverse event, and ask what it asks for now."""
        self._schedule.rules()
        before, after = events.event_of(self._state, command.event_id), command.event
        graded = self._state.computed_grades.get(command.event_id)
        standing = dlt_status_of(self._state, command.event_id)
        computed = events.computed_grade(after)
        changes = amendments.changes(before, after)
        fact = f.AdverseEventAmended(
            event_id=command.event_id,
            version=events.version_of(self._state, command.event_id) + 1,
            event=after,
            changes=changes,
            computed=computed,
            **person(command.envelope, "amended"),
        )
        accepted = self._journal.record(fact)
        if (before.grade, graded) != (after.grade, computed):
            self._query_grade(command.event_id, computed, fact.why)
        self._change_clocks(command.event_id, before, after)
        self._tell_of((before, after), f"{command.event_id} was amended: {fact.why}")
        if amendments.upgraded(before, after):
            self._withdraw_question(command.event_id, f"{command.event_id} was amended: {fact.why}")
        self._find(command.event_id, standing)
        await self._judge()
        return accepted

    async def answered(self, task: Task, answer: Answer) -> None:
        """Act on an answer that has just been recorded."""
        match answer:
            case DltAdjudication():
                verdict = "dose-limiting" if answer.dose_limiting else "not dose-limiting"
                self._tell_soon(f"{answer.event_id} was adjudicated as {verdict}")
                await self._judge()
            case SaeReported():
                self._start_susar_clocks(task.detail["event_id"])
            case InfusionGiven() if len(self._state.infusions) == 1:
                # Day 0 is known now: an event of the same day may lie in the window.
                for event_id in events.event_ids(self._state):
                    self._find(event_id)
            case _:
                return

    # ------------------------------------------------------------------ as time goes on

    async def look(self) -> None:
        """Make the findings again whose day has come."""
        ripe = due_events(self._state, now().date())
        for event_id in ripe:
            self._find(event_id)
        if ripe:
            await self._judge()

    def next_at(self) -> datetime | None:
        """Return when `look` finds something to do by itself."""
        day = next_review_on(self._state)
        return None if day is None else start_of(day)

    def tell(self) -> None:
        """Leave what is untold with the news: the latest summary once, however much has happened since the last."""
        told, self._arm_news, self._study_news = (self._arm_news, self._study_news), None, None
        slot, study = self._state.slot, self._state.study
        summary = summary_of(self._schedule.rules(), self._state) if any(told) else None
        if summary is None or slot is None:
            return
        receivers = (names.arm_id(study, slot.arm), names.study_id(study))
        for receiver, why in zip(receivers, told, strict=True):
            if why is not None:
                report = m.SafetyReport(
                    subject=self._state.subject,
                    arm=slot.arm,
                    phase=slot.phase,
                    occurred_on=now().date(),
                    summary=summary,
                    why=why,
                )
                self._news.add(receiver, "report_safety", report)

    # ------------------------------------------------------------------ grades

    def _query_grade(self, event_id: str, computed: ComputedGrade | None, amended: str | None) -> None:
        if self._schedule.rules().dlt.definition is None:
            return
        for task in self._open_tasks(TaskKind.GRADE_QUERY, event_id):
            self._schedule.cancel(task, f"{event_id} was amended: {amended}")
        event, version = events.event_of(self._state, event_id), events.version_of(self._state, event_id)
        question = events.grade_question(event, computed)
        if question is None or computed is None:
            return
        detail = {"event_id": event_id, "version": str(version), "grade": str(event.grade)}
        detail |= {"computed_grade": str(computed.grade), "why": question}
        step = f"grade-query-{event_id}.v{version}"
        title = f"Explain the grade of {event.term} ({event_id})"
        self._schedule.open(TaskKind.GRADE_QUERY, step, title, why=question, detail=detail)

    # ------------------------------------------------------------------ dose-limiting toxicities

    def _find(self, event_id: str, stood: EventDlt | None = None) -> None:
        """Ask the rule; put a candidate to the investigator, and take a question back that no longer stands."""
        rules = self._schedule.rules().dlt
        if rules.definition is None:
            return
        before, event = stood or dlt_status_of(self._state, event_id), events.event_of(self._state, event_id)
        finding = find_candidate(rules.definition, rules, first_infusion_on(self._state), event, now().date())
        if finding != self._state.dlt_findings.get(event_id):
            self._journal.record(f.DltFindingMade(event_id=event_id, finding=finding, **system(finding.why)))
        standing = dlt_status_of(self._state, event_id)
        if standing is EventDlt.CANDIDATE:
            self._ask_for_adjudication(event_id, finding.criterion, finding.why)
        else:
            self._withdraw_question(event_id, finding.why)
        if standing is not before:
            self._tell_soon(f"{event_id} is {standing.value} as a dose-limiting toxicity: {finding.why}")

    def _ask_for_adjudication(self, event_id: str, criterion: str | None, why: str) -> None:
        if self._open_tasks(TaskKind.DLT_ADJUDICATION, event_id):
            return
        event, version = events.event_of(self._state, event_id), events.version_of(self._state, event_id)
        detail = {"event_id": event_id, "version": str(version), "term": event.term, "grade": str(event.grade)}
        detail |= {"criterion": criterion or "the reporter's judgement", "why": why}
        step = f"dlt-adjudication-{event_id}.v{version}"
        title = f"Judge whether {event.term} ({event_id}) is dose-limiting"
        self._schedule.open(TaskKind.DLT_ADJUDICATION, step, title, why=why, detail=detail)

    def _withdraw_question(self, event_id: str, why: str) -> None:
        for task in self._open_tasks(TaskKind.DLT_ADJUDICATION, event_id):
            self._schedule.cancel(task, why)

    # ------------------------------------------------------------------ reports with a clock

    def _change_clocks(self, event_id: str, before: AdverseEvent | None, after: AdverseEvent) -> None:
        clocks = self._schedule.rules().reporting_clocks
        if clocks is None:
            return
        moments = VersionTimes(aware_at=self._aware_at(before, after), received_at=now())
        changes = report_changes(clocks, before, after, self._rows(event_id), moments)
        for kind in changes.stopped:
            why = "by its latest version the event asks for no such report"
            self._journal.record(f.ReportingClockStopped(event_id=event_id, report=kind, **system(why)))
            self._cancel_report(event_id, kind, why)
        self._start_clocks(event_id, changes.started)

    def _start_susar_clocks(self, event_id: str) -> None:
        clocks = self._schedule.rules().reporting_clocks
        if clocks is not None:
            event = events.event_of(self._state, event_id)
            self._start_clocks(event_id, reports_after_receipt(clocks, event, self._rows(event_id)))

    def _start_clocks(self, event_id: str, started: Iterable[ReportDue]) -> None:
        for due in started:
            self._cancel_report(event_id, due.kind, f"due earlier now: {due.why}")
            self._journal.record(f.ReportingClockStarted(event_id=event_id, due=due, **system(due.why)))
            kind, title = _REPORT_TASKS[due.kind]
            term = f"{events.event_of(self._state, event_id).term} ({event_id})"
            detail = {"event_id": event_id, "report": due.kind.value, "why": due.why}
            step = report_key(event_id, due.kind)
            self._schedule.open(kind, step, title.format(term=term), why=due.why, detail=detail, due_at=due.due_at)

    def _cancel_report(self, event_id: str, kind: ReportKind, why: str) -> None:
        step = report_key(event_id, kind)
        for task in [task for task in self._state.tasks.values() if task.step == step]:
            self._schedule.cancel(task, why)

    def _rows(self, event_id: str) -> dict[ReportKind, ReportRow]:
        found = {kind: self._state.reports.get(report_key(event_id, kind)) for kind in ReportKind}
        return {kind: row for kind, row in found.items() if row is not None}

    def _aware_at(self, before: AdverseEvent | None, after: AdverseEvent) -> datetime:
        # An amendment that repeats the earlier version's moment says nothing of when its own news became known.
        told_again = before is not None and before.aware_at == after.aware_at
        return now() if after.aware_at is None or told_again else after.aware_at

    # ------------------------------------------------------------------ what others hear

    def _tell_of(self, versions: Iterable[AdverseEvent], why: str) -> None:
        told = tuple(versions)
        study = any(concerns_study(self._schedule.rules().stopping, event) for event in told)
        if study or any(concerns_arm(event) for event in told):
            self._tell_soon(why, study=study)

    def _tell_soon(self, why: str, *, study: bool = False) -> None:
        if self._schedule.rules().dlt.definition is None:
            return
        self._arm_news = why
        if study:
            self._study_news = why

    def _open_tasks(self, kind: TaskKind, event_id: str) -> list[Task]:
        tasks = self._state.tasks.values()
        return [task for task in tasks if task.kind is kind and task.detail.get("event_id") == event_id]
