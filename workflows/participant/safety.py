"""
A participant's adverse events: the tasks that they open, and what arm and study receive of them.

All rules are in `decisions/`. Where the protocol has neither a DLT definition nor reporting clocks, events are only
recorded.
"""

from collections.abc import Iterable
from datetime import datetime

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
from schemas.schedule.task import Task, TaskKind, TaskPlan
from schemas.state.participant import ParticipantState
from workflows.journal import person, system
from workflows.participant import dlt
from workflows.participant.schedule import Schedule, start_of
from workflows.workflow_time import now

_REPORT_TASKS = {
    ReportKind.SAE: (TaskKind.SAE_REPORT, "Report {term} to the sponsor as serious"),
    ReportKind.SUSAR: (TaskKind.SUSAR_REPORT, "Report {term} to the authority as a SUSAR"),
    ReportKind.SUSAR_FOLLOW_UP: (TaskKind.SUSAR_REPORT, "Follow up the SUSAR report of {term}"),
}


class Safety:
    """Adverse events of one participant; nothing here waits, so that an event and what follows from it are one step."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._journal = schedule, schedule.journal
        self._arm_reason: str | None = None
        self._study_reason: str | None = None

    @property
    def _state(self) -> ParticipantState:
        return self._journal.state

    # ------------------------------------------------------------------ what people send

    def report(self, command: ReportAdverseEvent) -> Accepted:
        """Record an adverse event, and open the tasks that it asks for."""
        self._require_protocol()
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
        self._report_if_concerned((event,), f"{event_id} was reported: {fact.why}")
        self._find(event_id)
        dlt.judge_if_decided(self._schedule)
        return accepted

    def _require_protocol(self) -> None:
        """Raise NotReady before anything is recorded, rather than half-way."""
        _ = self._schedule.protocol

    def refused(self, command: AmendAdverseEvent) -> Problem | None:
        """Say why an amendment may not stand, or none."""
        known = {name: events.newest_version(self._state, name) for name in events.event_ids(self._state)}
        return amendments.refused_amendment(known, command.event_id, command.version, command.event)

    def amend(self, command: AmendAdverseEvent) -> Accepted:
        """Record a new version of an adverse event, and open the tasks that it asks for now."""
        self._require_protocol()
        before, after = events.event_of(self._state, command.event_id), command.event
        graded = self._state.computed_grades.get(command.event_id)
        status = dlt_status_of(self._state, command.event_id)
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
        self._report_if_concerned((before, after), f"{command.event_id} was amended: {fact.why}")
        if amendments.upgraded(before, after):
            self._withdraw_question(command.event_id, f"{command.event_id} was amended: {fact.why}")
        self._find(command.event_id, status)
        dlt.judge_if_decided(self._schedule)
        return accepted

    def receive_answer(self, task: Task, answer: Answer) -> None:
        """Act on an answer that has just been recorded."""
        match answer:
            case DltAdjudication():
                verdict = "dose-limiting" if answer.dose_limiting else "not dose-limiting"
                self._report_soon(f"{answer.event_id} was adjudicated as {verdict}")
                dlt.judge_if_decided(self._schedule)
            case SaeReported():
                self._start_susar_clocks(task.detail["event_id"])
            case InfusionGiven() if len(self._state.infusions) == 1:
                # Day 0 is known now: an event of the same day may lie in the window.
                for event_id in events.event_ids(self._state):
                    self._find(event_id)
            case _:
                return

    # ------------------------------------------------------------------ as time goes on

    def review(self, *, ending: bool) -> None:  # noqa: ARG002 - events outlive the participation
        """Make the findings again whose day has come, and report what arm and study do not know yet."""
        due = due_events(self._state, now().date())
        for event_id in due:
            self._find(event_id)
        if due:
            dlt.judge_if_decided(self._schedule)
        self._report_summary()

    def next_at(self, *, ending: bool) -> datetime | None:  # noqa: ARG002 - see review
        """Return when a finding is due to be made again."""
        day = next_review_on(self._state)
        return None if day is None else start_of(day)

    def _report_summary(self) -> None:
        """Leave the latest summary once, however much has happened since the last."""
        reasons, self._arm_reason, self._study_reason = (self._arm_reason, self._study_reason), None, None
        slot, study = self._state.slot, self._state.study
        if slot is None or not any(reasons):
            return
        summary = summary_of(self._schedule.protocol, self._state)
        if summary is None:
            return
        receivers = (names.arm_id(study, slot.arm), names.study_id(study))
        for receiver, why in zip(receivers, reasons, strict=True):
            if why is not None:
                report = m.SafetyReport(
                    subject=self._state.subject,
                    arm=slot.arm,
                    phase=slot.phase,
                    summary=summary,
                    why=why,
                )
                self._schedule.signals.add(receiver, "report_safety", report)

    # ------------------------------------------------------------------ grades

    def _query_grade(self, event_id: str, computed: ComputedGrade | None, amended: str | None) -> None:
        if self._schedule.protocol.dlt.definition is None:
            return
        for task in self._open_tasks(TaskKind.GRADE_QUERY, event_id):
            self._schedule.tasks.cancel(task, f"{event_id} was amended: {amended}")
        event, version = events.event_of(self._state, event_id), events.version_of(self._state, event_id)
        question = events.grade_question(event, computed)
        if question is None or computed is None:
            return
        detail = {"event_id": event_id, "version": str(version), "grade": str(event.grade)}
        detail |= {"computed_grade": str(computed.grade), "why": question}
        step = f"grade-query-{event_id}.v{version}"
        title = f"Explain the grade of {event.term} ({event_id})"
        self._open(TaskKind.GRADE_QUERY, step, title, question, detail)

    # ------------------------------------------------------------------ dose-limiting toxicities

    def _find(self, event_id: str, previous: EventDlt | None = None) -> None:
        """Apply the criteria; ask the investigator about a candidate, or withdraw a question that no longer applies."""
        rules = self._schedule.protocol.dlt
        if rules.definition is None:
            return
        before, event = previous or dlt_status_of(self._state, event_id), events.event_of(self._state, event_id)
        finding = find_candidate(rules.definition, rules, first_infusion_on(self._state), event, now().date())
        if finding != self._state.dlt_findings.get(event_id):
            self._journal.record(f.DltFindingMade(event_id=event_id, finding=finding, **system(finding.why)))
        status = dlt_status_of(self._state, event_id)
        if status is EventDlt.CANDIDATE:
            self._ask_for_adjudication(event_id, finding.criterion, finding.why)
        else:
            self._withdraw_question(event_id, finding.why)
        if status is not before:
            self._report_soon(f"{event_id} is {status.value} as a dose-limiting toxicity: {finding.why}")

    def _ask_for_adjudication(self, event_id: str, criterion: str | None, why: str) -> None:
        if self._open_tasks(TaskKind.DLT_ADJUDICATION, event_id):
            return
        event, version = events.event_of(self._state, event_id), events.version_of(self._state, event_id)
        detail = {"event_id": event_id, "version": str(version), "term": event.term, "grade": str(event.grade)}
        detail |= {"criterion": criterion or "the reporter's judgement", "why": why}
        step = f"dlt-adjudication-{event_id}.v{version}"
        title = f"Judge whether {event.term} ({event_id}) is dose-limiting"
        self._open(TaskKind.DLT_ADJUDICATION, step, title, why, detail)

    def _withdraw_question(self, event_id: str, why: str) -> None:
        for task in self._open_tasks(TaskKind.DLT_ADJUDICATION, event_id):
            self._schedule.tasks.cancel(task, why)

    # ------------------------------------------------------------------ reports with a clock

    def _change_clocks(self, event_id: str, before: AdverseEvent | None, after: AdverseEvent) -> None:
        clocks = self._schedule.protocol.reporting_clocks
        if clocks is None:
            return
        times = VersionTimes(aware_at=self._aware_at(before, after), received_at=now())
        changes = report_changes(clocks, before, after, self._rows(event_id), times)
        for kind in changes.stopped:
            why = "by its latest version the event asks for no such report"
            self._journal.record(f.ReportingClockStopped(event_id=event_id, report=kind, **system(why)))
            self._cancel_report(event_id, kind, why)
        self._start_clocks(event_id, changes.started)

    def _start_susar_clocks(self, event_id: str) -> None:
        clocks = self._schedule.protocol.reporting_clocks
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
            self._open(kind, step, title.format(term=term), due.why, detail, due.due_at)

    def _cancel_report(self, event_id: str, kind: ReportKind, why: str) -> None:
        step = report_key(event_id, kind)
        for task in [task for task in self._state.tasks.values() if task.step == step]:
            self._schedule.tasks.cancel(task, why)

    def _rows(self, event_id: str) -> dict[ReportKind, ReportRow]:
        found = {kind: self._state.reports.get(report_key(event_id, kind)) for kind in ReportKind}
        return {kind: row for kind, row in found.items() if row is not None}

    def _aware_at(self, before: AdverseEvent | None, after: AdverseEvent) -> datetime:
        # An amendment that repeats the earlier version's moment says nothing of when its own news became known.
        is_repeated = before is not None and before.aware_at == after.aware_at
        return now() if after.aware_at is None or is_repeated else after.aware_at

    # ------------------------------------------------------------------ what arm and study receive

    def _report_if_concerned(self, versions: Iterable[AdverseEvent], why: str) -> None:
        events_ = tuple(versions)
        study = any(concerns_study(self._schedule.protocol.stopping, event) for event in events_)
        if study or any(concerns_arm(event) for event in events_):
            self._report_soon(why, study=study)

    def _report_soon(self, why: str, *, study: bool = False) -> None:
        if self._schedule.protocol.dlt.definition is None:
            return
        self._arm_reason = why
        if study:
            self._study_reason = why

    def _open_tasks(self, kind: TaskKind, event_id: str) -> list[Task]:
        tasks = self._state.tasks.values()
        return [task for task in tasks if task.kind is kind and task.detail.get("event_id") == event_id]

    def _open(
        self, kind: TaskKind, step: str, title: str, why: str, detail: dict[str, str], due_at: datetime | None = None
    ) -> None:
        plan = TaskPlan(kind=kind, step=step, title=title, why=why, detail=detail, due_at=due_at)
        self._schedule.tasks.open(plan)
