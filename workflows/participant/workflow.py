"""One participant, from consent to end of study (trial record NCT07510828; protocol, schedule of activities)."""

from temporalio import workflow

from decisions.commands import checks
from decisions.commands.malformed_answers import malformed_answer
from decisions.commands.refused_answers import refused_answer
from decisions.state import participant as folds
from schemas import facts as f
from schemas import messages as m
from schemas.base import site_of
from schemas.commands.answers import ImagingDone, TreatmentCheck
from schemas.commands.commands import Accepted, AmendAdverseEvent, AnswerTask, EndParticipation, ReportAdverseEvent
from schemas.dlt.outcome import Disposition
from schemas.problem import Problem
from schemas.state.participant import ParticipantState
from workflows.journal import Journal, hold_fact, person, reject, system
from workflows.logs import workflow_log
from workflows.participant import response
from workflows.participant.arm_reports import ArmReports
from workflows.participant.cytokine import CytokineCourses
from workflows.participant.end import end_participation
from workflows.participant.follow_up import follow_up
from workflows.participant.infusions import infuse
from workflows.participant.lymphodepletion import deplete_lymphocytes
from workflows.participant.placement import take_a_place
from workflows.participant.safety import Safety
from workflows.participant.schedule import Schedule, ScheduleEndedError
from workflows.participant.screening import screen
from workflows.participant.treatment_check import record_check
from workflows.signals import Signals


@workflow.defn(name="ParticipantWorkflow")
class ParticipantWorkflow:
    """
    The schedule of activities for one participant.

    Every part of the schedule can be entered again after continue-as-new: it asks the state what is done already.
    """

    @workflow.init
    def __init__(self, start: m.ParticipantStart) -> None:
        """Take the whole state, so that a handler that runs before `run` finds it."""
        enrolled = _enrolled(start)
        self._journal: Journal[ParticipantState, f.ParticipantFact] = Journal(
            study=start.study,
            owner=start.enrolment.subject,
            state=start.state or folds.enrol(enrolled),
            apply=folds.apply,
            sequence=start.sequence,
        )
        if start.state is None:
            self._journal.begin(enrolled)
        self._log = workflow_log(start.study, start.enrolment.subject)
        self._schedule = Schedule(start, self._journal, Signals())
        self._safety = Safety(self._schedule)
        self._arm_reports = ArmReports(self._schedule)
        courses = CytokineCourses(self._schedule)
        self._schedule.reviews = (self._arm_reports, self._safety, self._schedule.tasks, courses)

    @property
    def _state(self) -> ParticipantState:
        return self._journal.state

    @workflow.run
    async def run(self, start: m.ParticipantStart) -> m.ParticipantResult:  # noqa: ARG002 - taken in __init__
        """Go through the schedule; whatever ends it early, compensate and end in a named final state."""
        schedule = self._schedule
        await schedule.load_protocol()
        try:
            schedule.leave_if_ending()
            await screen(schedule)
            await take_a_place(schedule)
            await deplete_lymphocytes(schedule)
            await infuse(schedule)
            await follow_up(schedule)
            disposition, reason = Disposition.COMPLETED, "all visits of the schedule are done"
        except ScheduleEndedError as ended:
            disposition, reason = ended.disposition, ended.reason
        result = await end_participation(schedule, self._arm_reports, disposition, reason)
        self._log.info("participation_ended", disposition=disposition.value)
        return result

    # ------------------------------------------------------------------ signals of the arm and the study

    @workflow.signal
    def grant_slot(self, grant: m.SlotGrant) -> None:
        """The arm gives a slot; one that comes after the end of participation goes back by compensation."""
        if self._state.slot is None and self._state.assignment is not None:
            self._schedule.mark(slot_asked=False)
            self._journal.record(f.SlotGranted(slot=grant.slot, **system(grant.why)))

    @workflow.signal
    def refuse_slot(self, refusal: m.ArmRefusal) -> None:
        """The arm gives out no more slots."""
        if self._state.assignment is not None and self._state.slot is None:
            self._schedule.mark(slot_asked=False)
            self._journal.record(f.ArmRefused(arm=refusal.arm, **system(refusal.why)))

    @workflow.signal
    def change_hold(self, change: m.HoldChange) -> None:
        """A hold of the arm or the study was placed or lifted."""
        self._journal.record(hold_fact(change))

    # ------------------------------------------------------------------ commands of people

    @workflow.update
    def answer_task(self, command: AnswerTask) -> Accepted:
        """Answer an open task."""
        envelope, answer = command.envelope, command.answer
        problem = checks.ended_for_answer(self._state, command) or refused_answer(
            self._schedule.protocol, self._state, command
        )
        if problem is not None:
            raise self._journal.refuse(envelope, "answer_task", problem)
        task = self._state.tasks[command.task_id]
        why = person(envelope, f"answer to {task.step}")
        accepted = self._journal.record(f.TaskAnswered(task_id=command.task_id, answer=answer, **why))
        if isinstance(answer, TreatmentCheck):
            record_check(self._schedule, task.step, answer)
        if isinstance(answer, ImagingDone):
            response.record_assessment(self._schedule, task.step, answer)
        self._safety.receive_answer(task, answer)
        return accepted

    @answer_task.validator
    def _check_answer(self, command: AnswerTask) -> None:
        if checks.ended_for_answer(self._state, command) is None:
            reject(malformed_answer(self._schedule.protocol, self._state, command, workflow.now()))

    @workflow.update
    def report_adverse_event(self, command: ReportAdverseEvent) -> Accepted:
        """Report an adverse event; also while the participation is being ended: the event may be what ends it."""
        problem = self._ended_for_events() or checks.wrong_site_role(self._state, command.envelope)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "report_adverse_event", problem)
        return self._safety.report(command)

    @report_adverse_event.validator
    def _check_adverse_event(self, command: ReportAdverseEvent) -> None:
        reject(checks.malformed_adverse_event(self._state, command, workflow.now()))

    @workflow.update
    def amend_adverse_event(self, command: AmendAdverseEvent) -> Accepted:
        """Replace an adverse event by a new version; of two of the same version the second is refused."""
        problem = (
            self._ended_for_events()
            or checks.wrong_site_role(self._state, command.envelope)
            or self._safety.refused(command)
        )
        if problem is not None:
            raise self._journal.refuse(command.envelope, "amend_adverse_event", problem)
        return self._safety.amend(command)

    @amend_adverse_event.validator
    def _check_amendment(self, command: AmendAdverseEvent) -> None:
        reject(checks.malformed_amendment(self._state, command, workflow.now()))

    @workflow.update
    def end_participation(self, command: EndParticipation) -> Accepted:
        """End participation early: withdrawal, death, lost to follow-up, investigator's decision."""
        problem = checks.ended(self._state) or checks.wrong_site_role(self._state, command.envelope)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "end_participation", problem)
        why = person(command.envelope, command.reason)
        return self._journal.record(f.EndRequested(reason=command.reason, occurred_on=command.occurred_on, **why))

    @end_participation.validator
    def _check_end(self, command: EndParticipation) -> None:
        reject(checks.malformed_end(self._state, command, workflow.now()))

    def _ended_for_events(self) -> Problem | None:
        return checks.ended(self._state) if self._state.disposition is not None else None


def _enrolled(start: m.ParticipantStart) -> f.ParticipantEnrolled:
    enrolment = start.enrolment
    return f.ParticipantEnrolled(
        study=start.study,
        subject=enrolment.subject,
        site=site_of(enrolment.subject),
        consent_signed_on=enrolment.consent_signed_on,
        consent_version=enrolment.consent_version,
        age_years=enrolment.age_years,
        protocol=start.protocol,
        **person(enrolment.envelope, "informed consent signed"),
    )
