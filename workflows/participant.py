"""One participant, from consent to end of study (architecture, 'How data flows')."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from decisions import answers as checks
    from decisions import participant as folds
    from decisions.assignment import assign
    from decisions.dlt import judge_dlt
    from decisions.eligibility import judge_eligibility
    from decisions.profiling import profile_antigens
    from decisions.tasks import next_deadline, passed_deadlines, plan_task, step_of
    from decisions.treatment import failed_treatment_criteria
    from schemas import facts as f
    from schemas import messages as m
    from schemas import names
    from schemas.answers import InfusionGiven, TreatmentCheck
    from schemas.bank import UnitMatch, UnitRequest
    from schemas.base import site_of
    from schemas.commands import Accepted, AnswerTask, EndParticipation, EndReason, ReportAdverseEvent
    from schemas.outcome import Disposition, DltStatus
    from schemas.panel import ProfileOutcome
    from schemas.protocol import Protocol, Visit, VisitKind
    from schemas.states import ParticipantState
    from schemas.task import Task, TaskEnd, TaskKind
    from workflows import policies
    from workflows.journal import Journal, now, person, problem_error, system
    from workflows.logs import workflow_log
    from workflows.outbound import News, tell

BESIDE = 2
"""The first revision that sends signals beside the schedule (schemas.messages)."""
DISPOSITIONS = {
    EndReason.WITHDRAWAL: Disposition.WITHDRAWN,
    EndReason.DEATH: Disposition.DIED,
    EndReason.LOST_TO_FOLLOW_UP: Disposition.LOST_TO_FOLLOW_UP,
    EndReason.INVESTIGATOR: Disposition.DISCONTINUED,
}


class ScheduleEndedError(Exception):
    """The schedule ends before its last visit, in a named state."""

    def __init__(self, disposition: Disposition, reason: str) -> None:
        """Say how and why."""
        super().__init__(reason)
        self.disposition = disposition
        self.reason = reason


@workflow.defn(name="ParticipantWorkflow")
class ParticipantWorkflow:
    """
    The schedule of activities for one participant.

    Every method of the schedule can be entered again after continue-as-new: it asks the state what is done already.
    """

    @workflow.init
    def __init__(self, start: m.ParticipantStart) -> None:
        """Take the whole state, so that a handler that runs before `run` finds it."""
        self._start = start
        self._protocol: Protocol | None = None
        self._stagger_reported = start.stagger_reported
        enrolled = f.ParticipantEnrolled(
            study=start.study,
            subject=start.enrolment.subject,
            site=site_of(start.enrolment.subject),
            consent_signed_on=start.enrolment.consent_signed_on,
            consent_version=start.enrolment.consent_version,
            age_years=start.enrolment.age_years,
            protocol=start.protocol,
            **person(start.enrolment.envelope, "informed consent signed"),
        )
        self._journal: Journal[ParticipantState, f.ParticipantFact] = Journal(
            study=start.study,
            owner=start.enrolment.subject,
            state=start.state or folds.enrol(enrolled),
            apply=folds.apply,
            sequence=start.sequence,
        )
        self._log = workflow_log(start.study, start.enrolment.subject)
        self._news = News()
        if start.state is None:
            self._journal.begin(enrolled)
            for scope in start.held:
                self._journal.record(f.HoldPlaced(scope=scope, **system(f"{scope} was held at enrolment")))

    @property
    def _state(self) -> ParticipantState:
        return self._journal.state

    @property
    def _rules(self) -> Protocol:
        if self._protocol is None:
            raise ApplicationError("the protocol is not loaded yet", type="NotReady")
        return self._protocol

    # ------------------------------------------------------------------ schedule

    @workflow.run
    async def run(self, start: m.ParticipantStart) -> m.ParticipantResult:
        """Go through the schedule; whatever ends it early, compensate and end in a named state."""
        self._protocol = await self._load_protocol(start)
        try:
            await self._screen()
            await self._take_a_place()
            await self._deplete_lymphocytes()
            await self._infuse()
            await self._follow_up()
            disposition, reason = Disposition.COMPLETED, "all visits of the schedule are done"
        except ScheduleEndedError as ended:
            disposition, reason = ended.disposition, ended.reason
        return await self._end(disposition, reason)

    async def _load_protocol(self, start: m.ParticipantStart) -> Protocol:
        if start.revision < BESIDE:
            by_activity: Protocol = await workflow.execute_activity(
                names.LOAD_PROTOCOL,
                start.protocol,
                result_type=Protocol,
                start_to_close_timeout=policies.ACTIVITY_START_TO_CLOSE,
                retry_policy=policies.DATABASE_RETRY,
            )
            return by_activity
        protocol: Protocol = await workflow.execute_local_activity(
            names.LOAD_PROTOCOL,
            start.protocol,
            result_type=Protocol,
            start_to_close_timeout=policies.PUBLISH_START_TO_CLOSE,
            retry_policy=policies.DATABASE_RETRY,
            local_retry_threshold=policies.PUBLISH_LOCAL_RETRY_THRESHOLD,
        )
        return protocol

    async def _screen(self) -> None:
        if self._state.eligibility is not None and self._state.eligibility.outcome == "eligible":
            return
        self._open_once(TaskKind.BIOPSY, "biopsy-1", "Arrange the tumour biopsy (tissue preferred) or a blood sample")
        self._open_once(TaskKind.ELIGIBILITY, "eligibility-1", "Enter the eligibility data")
        await self._profile()
        await self._judge_eligibility()

    async def _profile(self) -> None:
        attempt = 1
        while self._state.profile is None or self._state.profile.outcome is ProfileOutcome.REPEAT_BIOPSY:
            await self._screening_task(TaskKind.BIOPSY, f"biopsy-{attempt}", "Repeat the tumour biopsy")
            await self._screening_task(TaskKind.ANTIGEN_PANEL, f"antigen-panel-{attempt}", "Report the antigen panel")
            panel = self._state.panel
            if panel is None:
                raise ScheduleEndedError(Disposition.SCREEN_FAILURE, "no antigen panel was reported")
            profile = profile_antigens(self._rules, panel, self._state.biopsies)
            self._journal.record(f.AntigensProfiled(profile=profile, **system(profile.reason)))
            attempt += 1
        if self._state.profile.outcome is ProfileOutcome.INSUFFICIENT:
            raise ScheduleEndedError(Disposition.SCREEN_FAILURE, self._state.profile.reason)

    async def _judge_eligibility(self) -> None:
        attempt = 1
        while True:
            await self._screening_task(TaskKind.ELIGIBILITY, f"eligibility-{attempt}", "Complete the eligibility data")
            form = self._state.eligibility_form
            if form is None:
                raise ScheduleEndedError(Disposition.SCREEN_FAILURE, "no eligibility data was entered")
            verdict = judge_eligibility(self._rules.eligibility, self._state.age_years, form, self._state.profile)
            why = "; ".join(verdict.reasons()) or "all inclusion criteria are met and no exclusion criterion is"
            self._journal.record(f.EligibilityJudged(verdict=verdict, **system(why)))
            if verdict.outcome == "eligible":
                return
            if verdict.outcome == "ineligible":
                raise ScheduleEndedError(Disposition.SCREEN_FAILURE, why)
            attempt += 1

    async def _take_a_place(self) -> None:
        waited_since: datetime | None = None
        while not self._state.units and not self._treated():
            if self._state.assignment is None:
                self._assign()
            if self._state.slot is None:
                await self._wait_for_slot()
            elif not await self._reserve():
                await self._return_slot("the bank has no fitting product now")
                waited_since = waited_since or now()
                give_up = waited_since + timedelta(days=self._rules.assignment.product_give_up_after_days)
                if now() >= give_up:
                    raise ScheduleEndedError(Disposition.NOT_TREATED, "no fitting product came to the bank in time")
                await self._until(now() + timedelta(days=self._rules.assignment.product_check_every_days))

    def _assign(self) -> None:
        profile, panel = self._state.profile, self._state.panel
        if profile is None or panel is None:
            raise ApplicationError("assignment before profiling", type="NotReady")
        result = assign(self._rules, profile, panel.high_heterogeneity_risk, self._state.refused_arms)
        if result.choice is None:
            raise ScheduleEndedError(Disposition.SCREEN_FAILURE, result.why)
        self._journal.record(
            f.Assigned(
                arm=result.choice.arm,
                arm_kind=result.choice.arm_kind,
                target=result.choice.target,
                **system(result.why),
            )
        )

    async def _wait_for_slot(self) -> None:
        await self._tell_arm("request_slot", m.SlotRequest(subject=self._state.subject, at=now()))
        await self._wait(lambda: self._state.slot is not None or self._state.assignment is None)

    async def _reserve(self) -> bool:
        assignment, slot = self._state.assignment, self._state.slot
        if assignment is None or slot is None:
            return False
        if slot.not_before is not None:
            await self._until(_start_of(slot.not_before))
        day_zero = self._earliest_day_zero()
        latest = self._rules.infusions.days[-1] + self._rules.infusions.window_after_days
        last = day_zero + timedelta(days=latest + self._rules.lymphodepletion.window_after_days)
        request = UnitRequest(
            target=assignment.target,
            million_cells=slot.million_cells,
            count=len(self._rules.infusions.days),
            last_infusion_on=last,
        )
        await self._before_leaving()
        match = await workflow.execute_activity(
            names.RESERVE_UNITS,
            m.ReserveUnits(
                key=f"{workflow.info().workflow_id}:reserve:{slot.cohort}:{self._journal.sequence}",
                study=self._state.study,
                subject=self._state.subject,
                request=request,
            ),
            result_type=UnitMatch,
            start_to_close_timeout=policies.ACTIVITY_START_TO_CLOSE,
            retry_policy=policies.DATABASE_RETRY,
        )
        if not match.units:
            self._journal.record(f.ProductAwaited(**system(match.reason)))
            return False
        ids, lots = tuple(u.unit_id for u in match.units), tuple(sorted({u.lot for u in match.units}))
        self._journal.record(f.ProductReserved(units=ids, lots=lots, **system(match.reason)))
        days = self._rules.lymphodepletion.earliest_days_after_reservation
        why = f"lymphodepletion starts {days} days after reservation"
        self._journal.record(f.DayZeroPlanned(day_zero=day_zero, **system(why)))
        return True

    def _earliest_day_zero(self) -> date:
        rule = self._rules.lymphodepletion
        return now().date() + timedelta(days=rule.earliest_days_after_reservation - rule.days[0])

    async def _deplete_lymphocytes(self) -> None:
        rule = self._rules.lymphodepletion
        if self._treated() or self._state.treatment_stopped:
            return
        starts = self._day(rule.days[0])
        closes = starts + timedelta(days=rule.window_after_days + 1)
        if not self._state.lymphodepletion_on and not await self._cleared("lymphodepletion", starts, closes):
            held = f"held ({', '.join(self._state.holds)})" if self._state.on_hold() else "the criteria were not met"
            raise ScheduleEndedError(Disposition.NOT_TREATED, f"lymphodepletion could not start in time: {held}")
        for number, offset in enumerate(rule.days, start=1):
            step = f"lymphodepletion-{number}"
            await self._until(self._day(offset))
            title = f"Give lymphodepletion day {number}"
            detail = {
                "fludarabine_mg_per_m2": f"{rule.fludarabine_mg_per_m2:g}",
                "cyclophosphamide_mg_per_m2": f"{rule.cyclophosphamide_mg_per_m2:g}",
            }
            closes = self._day(offset + rule.window_after_days + 1)
            given = await self._ask(TaskKind.LYMPHODEPLETION, step, title, expires_at=closes, detail=detail)
            if not given and number == 1:
                raise ScheduleEndedError(Disposition.NOT_TREATED, "lymphodepletion was not started within its window")
            if not given:
                self._skip(step, "lymphodepletion was not given within its window")
            elif number == 1:
                self._move_day_zero(
                    self._state.lymphodepletion_on[0] - timedelta(days=offset), "lymphodepletion started on another day"
                )

    async def _infuse(self) -> None:
        for number, offset in enumerate(self._rules.infusions.days, start=1):
            step = f"infusion-{number}"
            if step in self._state.infusion_steps or step in self._state.skipped:
                continue
            if self._treatment_is_over():
                self._skip(step, "treatment has stopped")
                continue
            await self._infusion(number, step, self._day(offset))
        if self._state.units:
            await self._return_product("no further infusion is planned")

    async def _infusion(self, number: int, step: str, planned: datetime) -> None:
        # A window includes its last day.
        closes = planned + timedelta(days=self._rules.infusions.window_after_days + 1)
        await self._until(planned)
        while now() < closes and not self._treatment_is_over():
            if not await self._cleared(step, planned, closes):
                break
            if not self._must_not_infuse() and await self._give(number, step, closes):
                return
        if number == 1:
            raise ScheduleEndedError(Disposition.NOT_TREATED, "the first infusion could not be given within its window")
        over = (
            "treatment has stopped"
            if self._treatment_is_over()
            else "the infusion could not be given within its window"
        )
        self._skip(step, over)

    def _treatment_is_over(self) -> bool:
        return self._state.treatment_stopped or self._state.dlt is not None

    async def _give(self, number: int, step: str, closes: datetime) -> bool:
        slot = self._state.slot
        if slot is None or not self._state.units:
            return False
        detail = {"unit": self._state.units[0], "million_cells": f"{slot.million_cells:g}"}
        task = self._open(TaskKind.INFUSION, step, f"Infuse CAR-NK dose {number}", expires_at=closes, detail=detail)
        await self._wait(lambda: task.id in self._state.closed or self._must_not_infuse())
        if task.id not in self._state.closed:
            self._cancel(
                task, "an infusion may not start now: " + (", ".join(self._state.holds) or "treatment has stopped")
            )
            return False
        if self._state.closed[task.id] is not TaskEnd.ANSWERED:
            return False
        await self._infused(number, self._state.infusions[-1])
        return True

    async def _infused(self, number: int, infusion: InfusionGiven) -> None:
        given_on = infusion.started_at.date()
        if number == 1:
            self._move_day_zero(given_on, "the first infusion is day 0")
            await self._tell_arm("report_first_dose", m.FirstDose(subject=self._state.subject, infused_on=given_on))
        if number in self._rules.cytokine.after_infusions:
            rule = self._rules.cytokine
            closes = _start_of(given_on) + timedelta(days=rule.window_days + 1)
            detail = {"agent": rule.agent, "million_units_per_m2": f"{rule.million_units_per_m2:g}"}
            self._open_once(
                TaskKind.CYTOKINE_COURSE,
                f"cytokine-course-{number}",
                "Give the cytokine course",
                expires_at=closes,
                detail=detail,
            )

    def _must_not_infuse(self) -> bool:
        return self._state.on_hold() or self._state.dlt is DltStatus.DLT

    async def _cleared(self, step: str, planned: datetime, closes: datetime) -> bool:
        """Re-check the treatment criteria, again and again while the window lasts; wait while on hold."""
        attempt = 1 + sum(step_of(task_id).startswith(f"treatment-check-{step}.") for task_id in self._state.closed)
        while now() < closes and not self._treatment_is_over():
            if self._state.on_hold() and not await self._wait(lambda: not self._state.on_hold(), closes):
                return False
            due = max(planned, now() + timedelta(days=1))
            check = f"treatment-check-{step}.{attempt}"
            if not await self._ask(
                TaskKind.TREATMENT_CHECK, check, f"Check the criteria before {step}", due_at=due, expires_at=closes
            ):
                return False
            if self._state.last_check_go:
                return True
            attempt += 1
            await self._until(min(closes, now() + timedelta(days=self._rules.treatment_criteria.recheck_after_days)))
        return False

    async def _follow_up(self) -> None:
        for visit in self._rules.visits:
            if self._ended(visit.id) or visit.id in self._state.skipped:
                continue
            opens = self._day(visit.day - visit.window_before_days)
            closes = self._day(visit.day + visit.window_after_days + 1)
            await self._until(opens)
            kind, due = TaskKind(visit.kind.value), self._day(visit.day + 1)
            if not await self._ask(
                kind, visit.id, f"Visit {visit.id} (day {visit.day})", due_at=due, expires_at=closes
            ):
                self._skip(visit.id, "the visit's window closed without an answer")
            if self._ends_dlt_window(visit) and self._state.dlt is None:
                await self._judge_dlt(window_complete=self._ended(visit.id) is TaskEnd.ANSWERED)
            await self._continue_as_new_if_due()

    def _ends_dlt_window(self, visit: Visit) -> bool:
        return visit.kind is VisitKind.SAFETY and visit.day >= self._rules.dlt.window_days

    async def _end(self, disposition: Disposition, reason: str) -> m.ParticipantResult:
        """Compensate: open tasks close, units return to the bank, the arm is told; then the named final state."""
        for task in list(self._state.tasks.values()):
            self._cancel(task, reason)
        if self._state.units:
            await self._return_product(reason)
        if self._state.slot is not None and self._state.dlt is None:
            await self._judge_dlt(window_complete=False)
        elif self._state.assignment is not None and self._state.slot is None:
            await self._tell_arm(
                "take_slot_back", m.SlotBack(subject=self._state.subject, occurred_on=now().date(), why=reason)
            )
        self._journal.record(f.ParticipationEnded(disposition=disposition, **system(reason)))
        await self._journal.publish()
        done = m.SubjectDone(subject=self._state.subject, disposition=disposition, reason=reason)
        self._news.add(names.study_id(self._state.study), "report_subject_done", done)
        await self._news.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._journal.publish()
        self._log.info("participation_ended", disposition=disposition.value)
        return m.ParticipantResult(subject=self._state.subject, disposition=disposition, reason=reason)

    # ------------------------------------------------------------------ steps

    async def _screening_task(self, kind: TaskKind, step: str, title: str) -> None:
        if not await self._ask(kind, step, title, expires_at=self._screening_closes()):
            raise ScheduleEndedError(
                Disposition.SCREEN_FAILURE, f"the screening window closed before {step} was answered"
            )

    def _screening_closes(self) -> datetime:
        return _start_of(self._state.consent_signed_on) + timedelta(days=self._rules.screening_window_days + 1)

    async def _judge_dlt(self, *, window_complete: bool) -> None:
        judged = judge_dlt(self._rules.dlt, len(self._rules.infusions.days), self._state, window_complete)
        if judged is None:
            undone = (
                "the safety follow-up of the DLT window was not completed"
                if self._treated()
                else "no infusion was given"
            )
            judged = DltStatus.NOT_EVALUABLE, undone
        status, why = judged
        self._journal.record(f.DltJudged(status=status, **system(why)))
        outcome = m.Outcome(subject=self._state.subject, status=status, occurred_on=now().date(), why=why)
        await self._tell_arm("report_outcome", outcome)

    async def _return_slot(self, why: str) -> None:
        await self._tell_arm(
            "take_slot_back", m.SlotBack(subject=self._state.subject, occurred_on=now().date(), why=why)
        )
        self._journal.record(f.SlotReturned(**system(why)))

    async def _return_product(self, why: str) -> None:
        """
        Give the units back to the bank.

        By an activity, not by publishing the fact: an activity starts only once the history holds the decision, and a
        unit that is free again may be somebody else's a moment later.
        """
        units = self._state.units
        self._journal.record(f.ProductReturned(units=units, **system(why)))
        await self._before_leaving()
        await workflow.execute_activity(
            names.RETURN_UNITS,
            m.ReturnUnits(
                study=self._state.study,
                subject=self._state.subject,
                units=units,
                workflow_id=workflow.info().workflow_id,
                sequence=self._journal.sequence,
                at=now(),
                why=why,
            ),
            start_to_close_timeout=policies.ACTIVITY_START_TO_CLOSE,
            retry_policy=policies.DATABASE_RETRY,
        )

    def _skip(self, step: str, why: str) -> None:
        self._journal.record(f.StepSkipped(step=step, **system(why)))

    def _move_day_zero(self, day_zero: date, why: str) -> None:
        if day_zero != self._state.day_zero:
            self._journal.record(f.DayZeroPlanned(day_zero=day_zero, **system(why)))

    def _treated(self) -> bool:
        return bool(self._state.infusions)

    def _day(self, offset: int) -> datetime:
        if self._state.day_zero is None:
            raise ApplicationError("day 0 is not planned yet", type="NotReady")
        return _start_of(self._state.day_zero + timedelta(days=offset))

    async def _continue_as_new_if_due(self) -> None:
        if not workflow.info().is_continue_as_new_suggested():
            return
        while self._journal.unpublished or self._news.waiting or not workflow.all_handlers_finished():
            await workflow.wait_condition(workflow.all_handlers_finished)
            await self._journal.publish_before_leaving()
            await self._news.finish()
        workflow.continue_as_new(
            self._start.model_copy(
                update={
                    "state": self._state,
                    "sequence": self._journal.sequence,
                    "stagger_reported": self._stagger_reported,
                }
            )
        )

    # ------------------------------------------------------------------ asking and waiting

    def _open(
        self,
        kind: TaskKind,
        step: str,
        title: str,
        *,
        due_at: datetime | None = None,
        expires_at: datetime | None = None,
        detail: dict[str, str] | None = None,
    ) -> Task:
        for task in self._state.tasks.values():
            if task.step == step:
                return task
        task = plan_task(
            self._rules.tasks,
            kind=kind,
            owner=self._state.subject,
            number=self._state.tasks_opened + 1,
            step=step,
            title=title,
            now=now(),
            due_at=due_at,
            expires_at=expires_at,
            detail=detail,
        )
        self._journal.record(f.TaskOpened(task=task, **system(f"schedule of activities: {step}")))
        return task

    def _open_once(
        self,
        kind: TaskKind,
        step: str,
        title: str,
        *,
        expires_at: datetime | None = None,
        detail: dict[str, str] | None = None,
    ) -> None:
        if self._ended(step) is None:
            self._open(kind, step, title, expires_at=expires_at or self._screening_closes(), detail=detail)

    async def _ask(
        self,
        kind: TaskKind,
        step: str,
        title: str,
        *,
        due_at: datetime | None = None,
        expires_at: datetime | None = None,
        detail: dict[str, str] | None = None,
    ) -> bool:
        """Ask a person and wait; return whether the answer came before the window closed."""
        if self._ended(step) is None:
            task = self._open(kind, step, title, due_at=due_at, expires_at=expires_at, detail=detail)
            await self._wait(lambda: task.id in self._state.closed)
        return self._ended(step) is TaskEnd.ANSWERED

    def _ended(self, step: str) -> TaskEnd | None:
        return next((end for task_id, end in self._state.closed.items() if step_of(task_id) == step), None)

    def _cancel(self, task: Task, why: str) -> None:
        self._journal.record(f.TaskClosed(task_id=task.id, end=TaskEnd.CANCELLED, **system(why)))

    async def _until(self, moment: datetime) -> None:
        await self._wait(lambda: False, moment)

    async def _wait(self, done: Callable[[], bool], until: datetime | None = None) -> bool:
        """
        Wait until `done` or the moment `until`; return whether it was `done`.

        The only place where the schedule waits: facts are published before it, deadlines of open tasks are kept
        meanwhile, and an end of participation leaves it at once.
        """
        while True:
            self._leave_if_ended()
            await self._report_stagger_if_due()
            for fact in passed_deadlines(self._state.tasks.values(), now()):
                self._journal.record(fact)
            finished = done()
            if finished or (until is not None and now() >= until):
                return finished
            wake = min(
                (moment for moment in (until, next_deadline(self._state.tasks.values()), self._stagger_at()) if moment),
                default=None,
            )
            await self._journal.publish(wake)
            self._news.start()
            await self._pause(done, wake)

    async def _pause(self, done: Callable[[], bool], wake: datetime | None) -> None:
        def stirred() -> bool:
            return done() or self._journal.unpublished or self._state.end is not None

        if stirred():
            return
        # Whole seconds are cut off `now`, so a timer that fires early by its fraction would spin: add it back.
        timeout = None if wake is None else max(timedelta(seconds=1), wake - workflow.now() + timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(stirred, timeout=timeout)
        except TimeoutError:
            return

    def _leave_if_ended(self) -> None:
        if self._state.end is not None:
            raise ScheduleEndedError(DISPOSITIONS[self._state.end], self._end_reason)

    @property
    def _end_reason(self) -> str:
        return f"{self._state.end} on {self._state.end_on}"

    # ------------------------------------------------------------------ the arm

    async def _tell_arm(self, signal: str, message: object) -> None:
        if self._state.assignment is None:
            return
        arm_id = names.arm_id(self._state.study, self._state.assignment.arm)
        if self._start.revision < BESIDE:
            await self._journal.publish_before_leaving()
            await tell(arm_id, signal, message)
        else:
            self._news.add(arm_id, signal, message)

    async def _before_leaving(self) -> None:
        if self._start.revision < BESIDE or self._journal.answers_unpublished:
            await self._journal.publish_before_leaving()
        self._news.start()

    def _stagger_at(self) -> datetime | None:
        slot = self._state.slot
        if (
            slot is None
            or not slot.first_of_cohort
            or self._stagger_reported
            or not self._state.infusions
            or self._state.dlt
        ):
            return None
        return self._day(self._rules.escalation.stagger_days)

    async def _report_stagger_if_due(self) -> None:
        due = self._stagger_at()
        if due is None or now() < due:
            return
        self._stagger_reported = True
        await self._tell_arm("clear_stagger", m.StaggerDone(subject=self._state.subject, observed_until=now().date()))

    @workflow.signal
    def grant_slot(self, grant: m.SlotGrant) -> None:
        """The arm gives a slot; one that comes after the end of participation goes back by compensation."""
        if self._state.slot is None and self._state.assignment is not None:
            self._journal.record(f.SlotGranted(slot=grant.slot, **system(grant.why)))

    @workflow.signal
    def refuse_slot(self, refusal: m.ArmRefusal) -> None:
        """The arm gives out no more slots."""
        if self._state.assignment is not None and self._state.slot is None:
            self._journal.record(f.ArmRefused(arm=refusal.arm, **system(refusal.why)))

    @workflow.signal
    def change_hold(self, change: m.HoldChange) -> None:
        """A hold of the arm or the study was placed or lifted."""
        make = f.HoldPlaced if change.held else f.HoldLifted
        self._journal.record(make(scope=change.scope, **system(f"{change.who}: {change.why}")))

    # ------------------------------------------------------------------ what people send

    @workflow.update
    async def answer_task(self, command: AnswerTask) -> Accepted:
        """Answer an open task."""
        envelope = command.envelope
        problem = checks.ended(self._state) or checks.refused_answer(self._rules, self._state, command)
        if problem is not None:
            raise self._journal.refuse(envelope, "answer_task", problem)
        step = self._state.tasks[command.task_id].step
        accepted = self._journal.record(
            f.TaskAnswered(task_id=command.task_id, answer=command.answer, **person(envelope, f"answer to {step}"))
        )
        if isinstance(command.answer, TreatmentCheck):
            self._judge_treatment(step, command.answer)
        return accepted

    @answer_task.validator
    def _check_answer(self, command: AnswerTask) -> None:
        if self._state.end is None and self._state.disposition is None:
            problem = checks.malformed_answer(self._rules, self._state, command, workflow.now())
            if problem is not None:
                raise problem_error(problem)

    def _judge_treatment(self, step: str, check: TreatmentCheck) -> None:
        form = self._state.eligibility_form
        failed = failed_treatment_criteria(
            self._rules,
            check,
            before_lymphodepletion="lymphodepletion" in step,
            liver_metastases=form.liver_metastases if form else None,
            gilbert_syndrome=form.gilbert_syndrome if form else None,
        )
        why = "; ".join(failed) or "all treatment criteria are met"
        self._journal.record(f.TreatmentChecked(step=step, go=not failed, failed=failed, **system(why)))

    @workflow.update
    async def report_adverse_event(self, command: ReportAdverseEvent) -> Accepted:
        """Report an adverse event; a DLT inside the window is judged at once."""
        # A fatal event is still reported while the participation is being ended.
        over = checks.ended(self._state) if self._state.disposition is not None else None
        problem = over or checks.wrong_site_role(self._state, command.envelope)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "report_adverse_event", problem)
        event = command.event
        accepted = self._journal.record(
            f.AdverseEventReported(event=event, **person(command.envelope, f"{event.term}, grade {event.grade}"))
        )
        if event.dlt and self._state.slot is not None and self._state.dlt is not DltStatus.DLT:
            judged = judge_dlt(self._rules.dlt, len(self._rules.infusions.days), self._state, window_complete=False)
            if judged is not None and judged[0] is DltStatus.DLT:
                await self._judge_dlt(window_complete=False)
        return accepted

    @report_adverse_event.validator
    def _check_adverse_event(self, command: ReportAdverseEvent) -> None:
        problem = checks.malformed_adverse_event(self._state, command, workflow.now())
        if problem is not None:
            raise problem_error(problem)

    @workflow.update
    async def end_participation(self, command: EndParticipation) -> Accepted:
        """End participation early: withdrawal, death, lost to follow-up, investigator's decision."""
        problem = checks.ended(self._state) or checks.wrong_site_role(self._state, command.envelope)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "end_participation", problem)
        return self._journal.record(
            f.EndRequested(
                reason=command.reason, occurred_on=command.occurred_on, **person(command.envelope, command.reason)
            )
        )

    @end_participation.validator
    def _check_end(self, command: EndParticipation) -> None:
        problem = checks.malformed_end(self._state, command, workflow.now())
        if problem is not None:
            raise problem_error(problem)

    @workflow.query
    def state(self) -> ParticipantState:
        """Return the participant's state."""
        return self._state


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
