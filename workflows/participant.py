"""One participant, from consent to end of study (architecture, 'How data flows')."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from decisions.commands import checks as checks
    from decisions.commands.malformed_answers import malformed_answer
    from decisions.commands.refused_answers import refused_answer
    from decisions.dlt.outcome import judge_dlt
    from decisions.dlt.status import open_events
    from decisions.response.outcome import response_outcome
    from decisions.safety.summary import summary_of
    from decisions.schedule.tasks import OUTLIVES_PARTICIPATION, next_deadline, passed_deadlines, plan_task, step_of
    from decisions.screening.assignment import assign
    from decisions.screening.eligibility import judge_eligibility
    from decisions.screening.profiling import profile_antigens
    from decisions.state import participant as folds
    from decisions.treatment.courses import course_detail, course_step, course_title
    from decisions.treatment.cycles import cycle_in_words
    from decisions.treatment.readiness import failed_treatment_criteria, lymphodepletion_doses, treatment_is_over
    from schemas import facts as f
    from schemas import messages as m
    from schemas import names
    from schemas.base import site_of
    from schemas.commands.answers import ImagingDone, InfusionGiven, TreatmentCheck
    from schemas.commands.commands import Accepted, AmendAdverseEvent, AnswerTask, EndParticipation, ReportAdverseEvent
    from schemas.dlt.outcome import Disposition, DltStatus
    from schemas.product.bank import FittingUnits, UnitMatch, UnitRequest
    from schemas.protocol import Protocol, Visit, VisitKind
    from schemas.schedule.task import Task, TaskEnd, TaskKind
    from schemas.screening.panel import ProfileOutcome
    from schemas.state.participant import ParticipantState
    from workflows.feed import Take
    from workflows.journal import NOTED, UNAWAITED, Journal, hold_fact, person, problem_error, system
    from workflows.logs import workflow_log
    from workflows.moments import now
    from workflows.outbound import News, tell
    from workflows.participant_cycles import CycleActs, FurtherCycles
    from workflows.participant_response import TumourResponse
    from workflows.participant_safety import Safety
    from workflows.participant_schedule import Schedule, start_of
    from workflows.participant_support import CytokineCourses
    from workflows.transactions import transact

FIRST_INFUSION = "infusion-1"
"""The step of day 0."""
BESIDE = 2
"""The first revision that sends signals beside the schedule (schemas.messages)."""
NUMBERED = 3
"""The first revision that numbers adverse events and continues as new wherever it waits."""


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
            revision=start.revision,
        )
        self._log = workflow_log(start.study, start.enrolment.subject)
        self._news = News()
        self._marks = start.marks
        schedule = Schedule(
            journal=self._journal,
            rules=lambda: self._rules,
            open=self._open,
            ask=self._ask,
            wait=self._wait,
            until=self._until,
            cancel=self._cancel,
            skip=self._skip,
        )
        self._safety = Safety(schedule, self._news, self._judge_dlt_if_decided)
        self._response, self._courses = TumourResponse(schedule), CytokineCourses(schedule)
        self._cycles = FurtherCycles(
            schedule,
            CycleActs(
                cleared=self._cleared,
                has_passed=self._has_passed_check,
                infuse=self._infusion,
                count_units=self._count_units,
                lowest_toxic_level=self._lowest_toxic_level,
                reserve=self._reserve_for_cycle,
                return_product=self._return_product,
            ),
        )
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
            self._leave_if_ending()
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
        local = BESIDE <= start.revision < UNAWAITED
        protocol: Protocol = await transact(names.LOAD_PROTOCOL, start.protocol, Protocol, local=local)
        return protocol

    async def _screen(self) -> None:
        if self._state.eligibility is not None and self._state.eligibility.outcome == "eligible":
            return
        self._open_once(TaskKind.BIOPSY, "biopsy-1", "Arrange the tumour biopsy (tissue preferred) or a blood sample")
        self._open_once(TaskKind.ELIGIBILITY, "eligibility-1", "Enter the eligibility data")
        await self._profile()
        await self._judge_eligibility()

    async def _profile(self) -> None:
        attempt = 1 if self._state.profile is None else 1 + self._answered("antigen-panel-")
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
        attempt = 1 if self._state.eligibility is None else 1 + self._answered("eligibility-")
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
        while not self._state.units and not self._treated():
            if self._marks.product_check_at is not None:
                await self._until(self._marks.product_check_at)
                self._mark(product_check_at=None)
            if self._state.assignment is None:
                self._assign()
                self._response.open_baseline()
            if self._state.slot is None:
                await self._wait_for_slot()
            elif not await self._reserve():
                await self._return_slot("the bank has no fitting product now")
                since = self._marks.product_awaited_since or now()
                self._mark(product_awaited_since=since)
                give_up = since + timedelta(days=self._rules.assignment.product_give_up_after_days)
                if now() >= give_up:
                    raise ScheduleEndedError(Disposition.NOT_TREATED, "no fitting product came to the bank in time")
                again = now() + timedelta(days=self._rules.assignment.product_check_every_days)
                self._mark(product_check_at=again)

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
        if not self._marks.slot_asked:
            target = self._state.assignment.target if self._state.assignment and self._rules.expansion else None
            await self._tell_arm("request_slot", m.SlotRequest(subject=self._state.subject, at=now(), target=target))
            self._mark(slot_asked=True)
        await self._wait(lambda: self._state.slot is not None or self._state.assignment is None)

    async def _reserve(self) -> bool:
        assignment, slot = self._state.assignment, self._state.slot
        if assignment is None or slot is None:
            return False
        if slot.not_before is not None:
            await self._until(start_of(slot.not_before))
        day_zero = self._earliest_day_zero()
        latest = self._rules.infusions.days[-1] + self._rules.infusions.window_after_days
        last = day_zero + timedelta(days=latest + self._rules.lymphodepletion.window_after_days)
        if not await self._reserve_units(str(slot.cohort), self._unit_request(len(self._rules.infusions.days), last)):
            return False
        days = self._rules.lymphodepletion.earliest_days_after_reservation
        why = f"lymphodepletion starts {days} days after reservation"
        self._journal.record(f.DayZeroPlanned(day_zero=day_zero, **system(why)))
        return True

    def _unit_request(self, count: int, last_infusion_on: date) -> UnitRequest:
        assignment, slot = self._state.assignment, self._state.slot
        if assignment is None or slot is None:
            raise ApplicationError("no product without an assignment and a slot", type="NotReady")
        return UnitRequest(
            target=assignment.target,
            million_cells=slot.million_cells,
            count=count,
            last_infusion_on=last_infusion_on,
        )

    async def _reserve_units(self, what: str, request: UnitRequest) -> bool:
        await self._before_leaving()
        match: UnitMatch = await transact(
            names.RESERVE_UNITS,
            m.ReserveUnits(
                key=f"{workflow.info().workflow_id}:reserve:{what}:{self._journal.sequence}",
                study=self._state.study,
                subject=self._state.subject,
                request=request,
            ),
            UnitMatch,
        )
        if not match.units:
            self._journal.record(f.ProductAwaited(**system(match.reason)))
            return False
        ids, lots = tuple(u.unit_id for u in match.units), tuple(sorted({u.lot for u in match.units}))
        self._journal.record(f.ProductReserved(units=ids, lots=lots, **system(match.reason)))
        return True

    async def _reserve_for_cycle(self, cycle: str, count: int, last_infusion_on: date) -> bool:
        return await self._reserve_units(cycle, self._unit_request(count, last_infusion_on))

    async def _count_units(self, count: int, last_infusion_on: date) -> int:
        request = self._unit_request(count, last_infusion_on)
        await self._before_asking()
        local = self._start.revision < UNAWAITED
        fitting: FittingUnits = await transact(names.COUNT_UNITS, request, FittingUnits, local=local)
        return fitting.count

    async def _lowest_toxic_level(self) -> int | None:
        if self._state.slot is None:
            return None
        question = m.ToxicityQuestion(
            study=self._state.study, arm=self._rules.arm(self._state.slot.arm), escalation=self._rules.escalation
        )
        await self._before_asking()
        local = self._start.revision < UNAWAITED
        found: m.ToxicLevel = await transact(names.LOWEST_TOXIC_LEVEL, question, m.ToxicLevel, local=local)
        return found.level

    def _earliest_day_zero(self) -> date:
        rule = self._rules.lymphodepletion
        return now().date() + timedelta(days=rule.earliest_days_after_reservation - rule.days[0])

    async def _deplete_lymphocytes(self) -> None:
        rule = self._rules.lymphodepletion
        if self._treated() or self._state.treatment_stopped:
            return
        starts = self._day(rule.days[0])
        closes = starts + timedelta(days=rule.window_after_days + 1)
        if not self._may_deplete_already() and not await self._may_deplete(starts, closes):
            raise ScheduleEndedError(
                Disposition.NOT_TREATED, f"lymphodepletion could not start in time: {self._why_not_depleted()}"
            )
        for number, offset in enumerate(rule.days, start=1):
            step = f"lymphodepletion-{number}"
            if step in self._state.skipped:
                continue
            await self._until(self._day(offset))
            title = f"Give lymphodepletion day {number}"
            detail = lymphodepletion_doses(rule)
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

    def _may_deplete_already(self) -> bool:
        # Where the workflow has continued as new between the check and the day of lymphodepletion.
        checked = self._has_passed_check("lymphodepletion") and self._response.baseline_is_fresh()
        return bool(self._state.lymphodepletion_on) or checked

    async def _may_deplete(self, starts: datetime, closes: datetime) -> bool:
        # A check that is repeated takes days: the baseline may have become too old meanwhile.
        while await self._response.has_baseline(closes):
            if not await self._cleared("lymphodepletion", starts, closes):
                return False
            if self._response.baseline_is_fresh():
                return True
        return False

    def _why_not_depleted(self) -> str:
        if self._state.on_hold():
            return f"held ({', '.join(self._state.holds)})"
        return "the criteria were not met" if self._response.baseline_is_fresh() else "no recent tumour assessment"

    async def _infuse(self) -> None:
        for number, offset in enumerate(self._rules.infusions.days, start=1):
            step = f"infusion-{number}"
            if step in self._state.infusion_steps or step in self._state.skipped:
                continue
            if treatment_is_over(self._state, step):
                self._skip(step, "treatment has stopped")
                continue
            await self._infusion(number, step, self._day(offset))
        # Once a further cycle has begun, the units are that cycle's.
        if self._state.units and not self._state.cycles:
            await self._return_product("no further infusion is planned")

    async def _infusion(self, number: int, step: str, planned: datetime) -> None:
        # A window includes its last day.
        closes = planned + timedelta(days=self._rules.infusions.window_after_days + 1)
        await self._until(planned)
        while now() < closes and not treatment_is_over(self._state, step):
            # Its task is open already where the workflow has continued as new: then the check was passed before.
            if not self._is_open(step) and not await self._cleared(step, planned, closes):
                break
            if not self._must_not_infuse() and await self._give(number, step, closes):
                return
        if step == FIRST_INFUSION:
            raise ScheduleEndedError(Disposition.NOT_TREATED, "the first infusion could not be given within its window")
        over = (
            "treatment has stopped"
            if treatment_is_over(self._state, step)
            else "the infusion could not be given within its window"
        )
        self._skip(step, over)

    async def _give(self, number: int, step: str, closes: datetime) -> bool:
        slot = self._state.slot
        if slot is None or not self._state.units:
            return False
        detail = {"unit": self._state.units[0], "million_cells": f"{slot.million_cells:g}"}
        title = f"Infuse CAR-NK dose {number}" + cycle_in_words(step)
        task = self._open(TaskKind.INFUSION, step, title, expires_at=closes, detail=detail)
        await self._wait(lambda: task.id in self._state.closed or self._must_not_infuse())
        if task.id not in self._state.closed:
            self._cancel(task, f"an infusion may not start now: {self._hindrance()}")
            return False
        if self._state.closed[task.id] is not TaskEnd.ANSWERED:
            return False
        await self._infused(number, step, self._state.infusions[-1])
        return True

    async def _infused(self, number: int, step: str, infusion: InfusionGiven) -> None:
        given_on = infusion.started_at.date()
        if step == FIRST_INFUSION:
            self._move_day_zero(given_on, "the first infusion is day 0")
            await self._tell_arm("report_first_dose", m.FirstDose(subject=self._state.subject, infused_on=given_on))
        if self._rules.cytokine.rules is not None:
            self._courses.tend()
        elif number in self._rules.cytokine.after_infusions:
            rule = self._rules.cytokine
            closes = start_of(given_on) + timedelta(days=rule.window_days + 1)
            detail = course_detail(rule)
            self._open_once(
                TaskKind.CYTOKINE_COURSE,
                course_step(step),
                course_title(step),
                expires_at=closes,
                detail=detail,
            )

    def _must_not_infuse(self) -> bool:
        return self._is_held() or self._state.treatment_stopped or self._state.dlt is DltStatus.DLT

    def _is_held(self) -> bool:
        """Whether an infusion has to wait: for a hold, or for a possible DLT that nobody has judged."""
        return self._state.on_hold() or bool(open_events(self._state))

    def _hindrance(self) -> str:
        undecided = ", ".join(open_events(self._state))
        awaited = f"{undecided} may be dose-limiting" if undecided else "treatment has stopped"
        return ", ".join(self._state.holds) or awaited

    async def _cleared(self, step: str, planned: datetime, closes: datetime) -> bool:
        """Re-check the treatment criteria, again and again while the window lasts; wait while on hold."""
        if self._marks.recheck_at is not None:
            await self._until(self._marks.recheck_at)
            self._mark(recheck_at=None)
        attempt = 1 + sum(step_of(task_id).startswith(f"treatment-check-{step}.") for task_id in self._state.closed)
        while now() < closes and not treatment_is_over(self._state, step):
            if self._is_held() and not await self._wait(lambda: not self._is_held(), closes):
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
            again = now() + timedelta(days=self._rules.treatment_criteria.recheck_after_days)
            self._mark(recheck_at=min(closes, again))
            await self._until(min(closes, again))
            self._mark(recheck_at=None)
        return False

    async def _follow_up(self) -> None:
        for visit in self._rules.visits:
            if self._ended(visit.id) or visit.id in self._state.skipped:
                continue
            if (over := self._response.not_asked(visit)) is not None:
                self._skip(visit.id, over)
                continue
            opens = self._day(visit.day - visit.window_before_days)
            closes = self._day(visit.day + visit.window_after_days + 1)
            await self._cycles.until_visit(opens, closes)
            kind, due = TaskKind(visit.kind.value), self._day(visit.day + 1)
            if not await self._ask(
                kind,
                visit.id,
                f"Visit {visit.id} (day {visit.day})",
                due_at=due,
                expires_at=closes + timedelta(days=visit.late_days),
            ):
                self._skip(visit.id, "the visit's window closed without an answer")
                self._response.missed(visit)
            if self._ends_dlt_window(visit) and self._state.dlt is None:
                await self._judge_dlt(window_complete=self._ended(visit.id) is TaskEnd.ANSWERED)
            await self._continue_as_new_if_due()

    def _ends_dlt_window(self, visit: Visit) -> bool:
        return visit.kind is VisitKind.SAFETY and visit.day >= self._rules.dlt.window_days

    async def _end(self, disposition: Disposition, reason: str) -> m.ParticipantResult:
        """
        Compensate: open tasks close, units return to the bank, the arm is told; then the named final state.

        What is owed of an adverse event outlives the participation: reports to the sponsor and the authority, queries,
        and the judgement of a possible DLT. Their tasks stay open, and the final state waits until all are answered,
        or no longer asked for; an escalated one stays on the worklist. Meanwhile events can be reported and amended.
        """
        resumed = self._marks.ending is not None
        self._mark(ending=disposition, ending_reason=reason)
        for task in list(self._state.tasks.values()):
            if task.kind not in OUTLIVES_PARTICIPATION:
                self._cancel(task, reason)
        if self._state.units:
            await self._return_product(reason)
        await self._report_response(over=True)
        if self._state.slot is not None and self._state.dlt is None:
            await self._wait(lambda: not open_events(self._state), ending=True)
            if self._state.dlt is None:
                await self._judge_dlt(window_complete=self._window_is_complete())
        elif self._state.assignment is not None and self._state.slot is None and not resumed:
            await self._tell_arm(
                "take_slot_back", m.SlotBack(subject=self._state.subject, occurred_on=now().date(), why=reason)
            )
        await self._wait(lambda: not self._owes_reports(), ending=True)
        self._safety.tell()
        self._journal.record(f.ParticipationEnded(disposition=disposition, **system(reason)))
        await self._journal.publish()
        done = m.SubjectDone(subject=self._state.subject, disposition=disposition, reason=reason)
        self._news.add(names.study_id(self._state.study), "report_subject_done", done)
        await self._news.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._publish_the_end()
        self._log.info("participation_ended", disposition=disposition.value)
        return m.ParticipantResult(subject=self._state.subject, disposition=disposition, reason=reason)

    async def _publish_the_end(self) -> None:
        if self._start.revision < UNAWAITED:
            await self._journal.publish()
            return
        await self._journal.come_to_rest()
        # What comes to rest may come back, and what is handled meanwhile may record more.
        while self._journal.unpublished or not workflow.all_handlers_finished():
            await workflow.wait_condition(workflow.all_handlers_finished)
            await self._journal.settle()

    # ------------------------------------------------------------------ steps

    async def _screening_task(self, kind: TaskKind, step: str, title: str) -> None:
        if not await self._ask(kind, step, title, expires_at=self._screening_closes()):
            raise ScheduleEndedError(
                Disposition.SCREEN_FAILURE, f"the screening window closed before {step} was answered"
            )

    def _screening_closes(self) -> datetime:
        return start_of(self._state.consent_signed_on) + timedelta(days=self._rules.screening_window_days + 1)

    async def _judge_dlt(self, *, window_complete: bool) -> None:
        judged = judge_dlt(self._rules.dlt, len(self._rules.infusions.days), self._state, window_complete)
        if judged is None and open_events(self._state):
            return  # the adjudication decides
        if judged is None:
            undone = (
                "the safety follow-up of the DLT window was not completed"
                if self._treated()
                else "no infusion was given"
            )
            judged = DltStatus.NOT_EVALUABLE, undone
        status, why = judged
        self._journal.record(f.DltJudged(status=status, **system(why)))
        summary = None if self._rules.dlt.definition is None else summary_of(self._rules, self._state)
        outcome = m.Outcome(
            subject=self._state.subject, status=status, occurred_on=now().date(), why=why, summary=summary
        )
        await self._tell_arm("report_outcome", outcome)

    async def _judge_dlt_if_decided(self) -> None:
        """Judge at once what an event or its adjudication has decided, also after the outcome was told."""
        if self._state.slot is None or self._state.dlt is DltStatus.DLT:
            return
        if self._rules.dlt.definition is not None and self._state.dlt is None and self._window_is_over():
            await self._judge_dlt(window_complete=self._window_is_complete())
            return
        judged = judge_dlt(self._rules.dlt, len(self._rules.infusions.days), self._state, window_complete=False)
        if judged is not None and judged[0] is DltStatus.DLT:
            await self._judge_dlt(window_complete=False)

    def _window_is_over(self) -> bool:
        last = [visit.id for visit in self._rules.visits if self._ends_dlt_window(visit)]
        return any(self._ended(visit) is not None or visit in self._state.skipped for visit in last)

    def _window_is_complete(self) -> bool:
        last = [visit.id for visit in self._rules.visits if self._ends_dlt_window(visit)]
        return any(self._ended(visit) is TaskEnd.ANSWERED for visit in last)

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
        await transact(
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
        return start_of(self._state.day_zero + timedelta(days=offset))

    async def _continue_as_new_if_due(self, done: Callable[[], bool] | None = None) -> None:
        """
        Go on in a new run, if the history has grown long enough; not when what is awaited came true meanwhile.

        So what follows an answer is always done in the run that took it, and the next run enters the schedule again
        where this one waited.
        """
        if not workflow.info().is_continue_as_new_suggested():
            return
        if self._start.revision >= NOTED:
            # An update may wait for its facts, and the handlers' end is waited for below.
            await self._journal.publish_before_leaving()
        settled = self._start.revision < UNAWAITED
        while not settled or self._has_unfinished_business():
            await workflow.wait_condition(workflow.all_handlers_finished)
            self._safety.tell()
            await self._journal.settle()
            await self._news.finish()
            settled = True
        if done is not None and (done() or (self._state.end is not None and self._marks.ending is None)):
            return
        workflow.continue_as_new(
            self._start.model_copy(
                update={
                    "state": self._state,
                    "sequence": self._journal.sequence,
                    "stagger_reported": self._stagger_reported,
                    "marks": self._marks,
                }
            )
        )

    def _has_unfinished_business(self) -> bool:
        own = self._journal.unpublished or self._news.waiting or self._safety.untold
        return own or not workflow.all_handlers_finished()

    def _mark(self, **marks: object) -> None:
        self._marks = self._marks.model_copy(update=marks)

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
        why: str | None = None,
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
        self._journal.record(f.TaskOpened(task=task, **system(why or f"schedule of activities: {step}")))
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

    def _answered(self, prefix: str) -> int:
        steps = [step_of(task_id) for task_id, end in self._state.closed.items() if end is TaskEnd.ANSWERED]
        return sum(step.startswith(prefix) for step in steps)

    def _is_open(self, step: str) -> bool:
        return any(task.step == step for task in self._state.tasks.values())

    def _has_passed_check(self, step: str) -> bool:
        checks_of_step = f"treatment-check-{step}."
        asked_again = any(task.step.startswith(checks_of_step) for task in self._state.tasks.values())
        return bool(self._state.last_check_go) and self._answered(checks_of_step) > 0 and not asked_again

    def _cancel(self, task: Task, why: str) -> None:
        self._journal.record(f.TaskClosed(task_id=task.id, end=TaskEnd.CANCELLED, **system(why)))

    async def _until(self, moment: datetime) -> None:
        await self._wait(lambda: False, moment)

    async def _wait(self, done: Callable[[], bool], until: datetime | None = None, *, ending: bool = False) -> bool:
        """
        Wait until `done` or the moment `until`; return whether it was `done`.

        The only place where the schedule waits: facts are published before it, deadlines of open tasks are kept
        meanwhile, and an end of participation leaves it at once, unless that end is what it waits in.
        """
        while True:
            if not ending:
                self._leave_if_ended()
                await self._report_stagger_if_due()
                await self._report_response(over=False)
            await self._safety.look()
            for fact in passed_deadlines(self._state.tasks.values(), now()):
                self._journal.record(fact)
            if not ending:
                self._courses.tend()
            finished = done()
            if finished or (until is not None and now() >= until):
                return finished
            self._safety.tell()
            wake = self._next_wake(until, ending=ending)
            await self._journal.publish(wake)
            self._news.start()
            if self._start.revision >= NUMBERED:
                await self._continue_as_new_if_due(done)
            await self._pause(done, wake, ending=ending)

    def _next_wake(self, until: datetime | None, *, ending: bool) -> datetime | None:
        schedule = () if ending else (self._stagger_at(), self._courses.judge_at)
        moments = (until, next_deadline(self._state.tasks.values()), self._safety.next_at(), *schedule)
        return min((moment for moment in moments if moment), default=None)

    async def _pause(self, done: Callable[[], bool], wake: datetime | None, *, ending: bool) -> None:
        def stirred() -> bool:
            return done() or self._journal.unpublished or (self._state.end is not None and not ending)

        if stirred():
            return
        # Whole seconds are cut off `now`, so a timer that fires early by its fraction would spin: add it back.
        timeout = None if wake is None else max(timedelta(seconds=1), wake - workflow.now() + timedelta(milliseconds=1))
        await self._journal.pause(stirred, timeout)

    def _leave_if_ended(self) -> None:
        if self._state.end is not None:
            raise ScheduleEndedError(folds.DISPOSITIONS[self._state.end], self._end_reason)

    def _leave_if_ending(self) -> None:
        if self._marks.ending is not None:
            raise ScheduleEndedError(self._marks.ending, self._marks.ending_reason)

    def _owes_reports(self) -> bool:
        return any(task.kind in OUTLIVES_PARTICIPATION for task in self._state.tasks.values())

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
        if self._start.revision < BESIDE or self._journal.urgent:
            await self._journal.publish_before_leaving()
        self._news.start()

    async def _before_asking(self) -> None:
        if self._start.revision >= NOTED:
            await self._before_leaving()

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

    async def _report_response(self, *, over: bool) -> None:
        slot, assignment = self._state.slot, self._state.assignment
        if slot is None or assignment is None or slot.phase == 1:
            return
        told = response_outcome(self._rules.visits, self._state, over=over)
        if told is None or told[0] == self._marks.response_reported:
            return
        outcome, why = told
        self._mark(response_reported=outcome)
        report = m.ResponseReport(
            subject=self._state.subject,
            target=assignment.target,
            outcome=outcome,
            occurred_on=now().date(),
            why=why,
        )
        await self._tell_arm("report_response", report)

    @workflow.signal
    def grant_slot(self, grant: m.SlotGrant) -> None:
        """The arm gives a slot; one that comes after the end of participation goes back by compensation."""
        if self._state.slot is None and self._state.assignment is not None:
            self._mark(slot_asked=False)
            self._journal.record(f.SlotGranted(slot=grant.slot, **system(grant.why)))

    @workflow.signal
    def refuse_slot(self, refusal: m.ArmRefusal) -> None:
        """The arm gives out no more slots."""
        if self._state.assignment is not None and self._state.slot is None:
            self._mark(slot_asked=False)
            self._journal.record(f.ArmRefused(arm=refusal.arm, **system(refusal.why)))

    @workflow.signal
    def change_hold(self, change: m.HoldChange) -> None:
        """A hold of the arm or the study was placed or lifted."""
        self._journal.record(hold_fact(change))

    @workflow.signal
    async def publish_again(self, slow: m.SlowPublication) -> None:
        """The database was slow: a publication is made by an activity, as late as it may be."""
        await self._journal.publish_again(slow)

    # ------------------------------------------------------------------ what people send

    @workflow.update
    async def answer_task(self, command: AnswerTask) -> Accepted:
        """Answer an open task."""
        envelope = command.envelope
        problem = checks.ended_for_answer(self._state, command) or refused_answer(self._rules, self._state, command)
        if problem is not None:
            raise self._journal.refuse(envelope, "answer_task", problem)
        task = self._state.tasks[command.task_id]
        step = task.step
        accepted = self._journal.record(
            f.TaskAnswered(task_id=command.task_id, answer=command.answer, **person(envelope, f"answer to {step}"))
        )
        if isinstance(command.answer, TreatmentCheck):
            self._judge_treatment(step, command.answer)
        if isinstance(command.answer, ImagingDone):
            self._response.told(step, command.answer)
        await self._safety.answered(task, command.answer)
        return await self._journal.answer(accepted)

    @answer_task.validator
    def _check_answer(self, command: AnswerTask) -> None:
        if checks.ended_for_answer(self._state, command) is None:
            problem = malformed_answer(self._rules, self._state, command, workflow.now())
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
        if self._start.revision >= NUMBERED:
            return await self._journal.answer(await self._safety.report(command))
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
    async def amend_adverse_event(self, command: AmendAdverseEvent) -> Accepted:
        """Replace an adverse event by a new version; of two at the same moment the second is refused."""
        problem = (
            (checks.ended(self._state) if self._state.disposition is not None else None)
            or checks.wrong_site_role(self._state, command.envelope)
            or self._safety.refused(command)
        )
        if problem is not None:
            raise self._journal.refuse(command.envelope, "amend_adverse_event", problem)
        return await self._journal.answer(await self._safety.amend(command))

    @amend_adverse_event.validator
    def _check_amendment(self, command: AmendAdverseEvent) -> None:
        problem = checks.malformed_amendment(self._state, command, workflow.now())
        if problem is not None:
            raise problem_error(problem)

    @workflow.update
    async def end_participation(self, command: EndParticipation) -> Accepted:
        """End participation early: withdrawal, death, lost to follow-up, investigator's decision."""
        problem = checks.ended(self._state) or checks.wrong_site_role(self._state, command.envelope)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "end_participation", problem)
        accepted = self._journal.record(
            f.EndRequested(
                reason=command.reason, occurred_on=command.occurred_on, **person(command.envelope, command.reason)
            )
        )
        return await self._journal.answer(accepted)

    @end_participation.validator
    def _check_end(self, command: EndParticipation) -> None:
        problem = checks.malformed_end(self._state, command, workflow.now())
        if problem is not None:
            raise problem_error(problem)

    def hand_to(self, take: Take) -> None:
        """Hand on what is noted in the history (see feed)."""
        self._journal.hand_to(take)

    @workflow.query
    def state(self) -> ParticipantState:
        """Return the participant's state."""
        return self._state
