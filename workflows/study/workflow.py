"""The study: its protocol, arms, participants, holds and delegations."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from decisions.commands import study_checks
from decisions.commands.study_refusals import subject_already_enrolled
from decisions.phase_two.places import target_key
from decisions.state import study as folds
from schemas import facts as f
from schemas import messages as m
from schemas import names
from schemas.commands.commands import Accepted, ChangeDelegation, Enroll, Hold, LiftHold, StartStudy
from schemas.protocol import Arm, Protocol
from schemas.schedule.task import TaskKind
from schemas.state.study import StudyState
from workflows import activity_options
from workflows.journal import Journal, person, reject, system
from workflows.run_end import drain
from workflows.signals import Signals
from workflows.study.holds import StudyHolds
from workflows.study.stopping import StudyStopping
from workflows.workflow_time import wait_until


@workflow.defn(name="StudyWorkflow")
class StudyWorkflow:
    """Starts arms and participants, and passes holds and delegations on to them."""

    @workflow.init
    def __init__(self, start: StartStudy, continued: m.StudyContinued | None = None) -> None:
        """Take the whole state, so that an update that arrives before `run` finds it."""
        started = f.StudyStarted(
            study=start.study,
            protocol=start.reference,
            start_levels={arm.id: arm.start_level for arm in start.protocol.arms},
            **person(start.envelope, "study start"),
        )
        self._protocol: Protocol = start.protocol
        self._start = start
        self._journal: Journal[StudyState, f.StudyFact] = Journal(
            study=start.study,
            owner=start.study,
            state=continued.state if continued else folds.start(started),
            apply=folds.apply,
            sequence=continued.sequence if continued else 0,
        )
        if continued is None:
            self._journal.begin(started)
        self._signals = Signals()
        self._stopping = StudyStopping(start.protocol.stopping, self._journal, self._signals)
        self._holds = StudyHolds(start.protocol, self._journal, self._signals, self._stopping)
        self._enrolling: set[str] = set()
        self._ready = continued is not None

    @property
    def _state(self) -> StudyState:
        return self._journal.state

    @workflow.run
    async def run(self, start: StartStudy, continued: m.StudyContinued | None = None) -> None:
        """Run for as long as the study does."""
        if not self._ready:
            await self._register_protocol()
            for arm in self._protocol.arms:
                await self._start_arm(arm)
            self._ready = True
        while True:
            reviewed = self._journal.sequence
            self._journal.publish()
            if workflow.info().is_continue_as_new_suggested():
                await drain(self._journal, self._signals)
                continued = m.StudyContinued(state=self._state, sequence=self._journal.sequence)
                workflow.continue_as_new(args=[start, continued])
            await self._wait(reviewed)

    async def _wait(self, reviewed: int) -> None:
        await wait_until(None, or_when=lambda: self._journal.sequence != reviewed)

    async def _register_protocol(self) -> None:
        register = m.RegisterProtocol(protocol=self._protocol, reference=self._start.reference)
        await workflow.execute_activity(names.REGISTER_PROTOCOL, register, **activity_options.TRANSACTION)

    async def _start_arm(self, arm: Arm) -> None:
        protocol = self._protocol
        start = m.ArmStart(
            study=self._state.study,
            arm=arm,
            escalation=protocol.escalation,
            dlt=protocol.dlt,
            decision_task=protocol.tasks[TaskKind.COMMITTEE_DECISION.value],
            protocol=self._start.reference,
            planned_infusions=len(protocol.infusions.days),
            stopping=protocol.stopping,
            expansion=protocol.expansion,
            signatures=protocol.signatures,
        )
        await workflow.start_child_workflow(
            "ArmWorkflow",
            start,
            id=names.arm_id(self._state.study, arm.id),
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    # ------------------------------------------------------------------ enrolment

    @workflow.update
    async def enroll(self, command: Enroll) -> Accepted:
        """Enrol a participant: the one place where a subject id is taken, so that it is taken once."""
        await workflow.wait_condition(lambda: self._ready)
        problem = study_checks.refused_enrolment(self._state, command, self._enrolling)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "enroll", problem)
        self._enrolling.add(command.subject)
        try:
            await self._start_participant(command)
        except WorkflowAlreadyStartedError:
            taken = subject_already_enrolled(self._state.study, command.subject)
            raise self._journal.refuse(command.envelope, "enroll", taken) from None
        finally:
            self._enrolling.discard(command.subject)
        # A hold that came while the participant's workflow was being started has not reached it.
        self._holds.signal_to(command.subject)
        why = person(command.envelope, "informed consent signed")
        return self._journal.record(f.SubjectEnrolled(subject=command.subject, **why))

    @enroll.validator
    def _check_enroll(self, command: Enroll) -> None:
        reject(study_checks.malformed_enrolment(command, workflow.now()))

    async def _start_participant(self, command: Enroll) -> None:
        study = self._state.study
        await workflow.start_child_workflow(
            "ParticipantWorkflow",
            m.ParticipantStart(study=study, protocol=self._start.reference, enrolment=command),
            id=names.participant_id(study, command.subject),
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    # ------------------------------------------------------------------ holds

    @workflow.update
    async def hold(self, command: Hold) -> Accepted:
        """Hold an arm or the whole study."""
        await workflow.wait_condition(lambda: self._ready)
        problem = study_checks.refused_hold(command)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "hold", problem)
        return self._holds.place(command)

    @hold.validator
    def _check_hold(self, command: Hold) -> None:
        reject(study_checks.malformed_hold(self._state, command, workflow.now()))

    @workflow.update
    async def lift_hold(self, command: LiftHold) -> Accepted:
        """Lift a hold."""
        await workflow.wait_condition(lambda: self._ready)
        problem = study_checks.refused_lift(self._state, self._protocol.signatures, command)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "lift_hold", problem)
        return self._holds.lift(command)

    @lift_hold.validator
    def _check_lift(self, command: LiftHold) -> None:
        reject(study_checks.malformed_lift(self._state, self._protocol.signatures, command, workflow.now()))

    # ------------------------------------------------------------------ delegation

    @workflow.update
    async def change_delegation(self, command: ChangeDelegation) -> Accepted:
        """Delegate a role to a person, or take it back; the arms have to know who may sign for the committee."""
        await workflow.wait_condition(lambda: self._ready)
        envelope = command.envelope
        problem = study_checks.refused_delegation(command)
        if problem is not None:
            raise self._journal.refuse(envelope, "change_delegation", problem)
        subject, role, delegated = command.person, command.role, command.delegated
        accepted = self._journal.record(
            f.DelegationChanged(
                person=subject, delegated_role=role, delegated=delegated, **person(envelope, "delegation")
            )
        )
        change = m.DelegationChange(
            person=subject, role=role, delegated=delegated, who=envelope.person, why=envelope.reason or ""
        )
        for arm in self._state.arms:
            self._signals.add(names.arm_id(self._state.study, arm), "change_delegation", change)
        return accepted

    @change_delegation.validator
    def _check_delegation(self, command: ChangeDelegation) -> None:
        reject(study_checks.malformed_delegation(command, workflow.now()))

    # ------------------------------------------------------------------ what participants and arms report

    @workflow.signal
    def report_subject_done(self, done: m.SubjectDone) -> None:
        """A participant reached a final state."""
        self._journal.record(f.SubjectEnded(subject=done.subject, disposition=done.disposition, **system(done.reason)))

    @workflow.signal
    def report_arm(self, report: m.ArmReport) -> None:
        """The committee decided on an arm."""
        self._journal.record(
            f.ArmDecided(
                arm=report.arm,
                cohort=report.cohort,
                action=report.action,
                level=report.level,
                rp2d_level=report.rp2d_level,
                phase=report.phase,
                **system(f"{report.who}: {report.why}"),
            )
        )

    @workflow.signal
    def report_safety(self, report: m.SafetyReport) -> None:
        """What is known of a participant whom a stopping rule may count."""
        self._stopping.receive(report)

    @workflow.signal
    def report_stopping(self, report: m.StoppingReport) -> None:
        """A stopping rule of an arm fired, and the arm holds already."""
        self._stopping.receive_from_arm(report)

    @workflow.signal
    def report_expansion(self, report: m.ExpansionReport) -> None:
        """The two-stage rule came to something for a target of an arm."""
        why = system(f"{target_key(report.verdict.target)}: {report.verdict.why}")
        self._journal.record(f.ExpansionJudged(verdict=report.verdict, decided=report.decided, arm=report.arm, **why))
        if report.closed:
            why = system("every target of the expansion is decided")
            self._journal.record(f.ArmClosed(rp2d_level=report.rp2d_level, arm=report.arm, **why))
