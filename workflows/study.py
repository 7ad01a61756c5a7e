"""The study: its protocol, arms, participants and holds (architecture, 'How data flows')."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from decisions.commands import checks as checks
    from decisions.commands.signatures import unknown_meaning, unsigned
    from decisions.phase_two.places import target_key
    from decisions.state import study as folds
    from decisions.stopping.holds import hold_sha256
    from schemas import facts as f
    from schemas import messages as m
    from schemas import names
    from schemas.base import Role
    from schemas.commands.commands import Accepted, ChangeDelegation, Enroll, Envelope, Hold, LiftHold, StartStudy
    from schemas.problem import Problem, ProblemType
    from schemas.protocol import Arm, Protocol, ProtocolReference
    from schemas.schedule.task import TaskKind
    from schemas.state.study import StudyState
    from workflows import journal, policies
    from workflows.feed import Take
    from workflows.journal import Journal, person, problem_error, system
    from workflows.logs import workflow_log
    from workflows.outbound import News, close_books
    from workflows.study_stopping import StudyStopping

STUDY = "study"
TOGETHER = "signals-together"
"""The patch from which on signals go to many at once."""
IN_BATCHES = "signals-in-batches"
"""The patch from which on later signals wait until their facts are published."""
UNAWAITED = "publications-unawaited"
"""The patch from which on no local activity is waited for."""
NOTED = "facts-noted"
"""The patch from which on facts are noted in the history, and not published by activities."""


@workflow.defn(name="StudyWorkflow")
class StudyWorkflow:
    """Starts arms and participants, and passes holds on to all of them."""

    @workflow.init
    def __init__(self, start: StartStudy, continued: m.StudyContinued | None = None) -> None:
        """Take the whole state, so that an update that arrives before `run` finds it."""
        started = f.StudyStarted(study=start.study, protocol=start.reference, **person(start.envelope, "study start"))
        self._protocol: Protocol = start.protocol
        self._reference: ProtocolReference = start.reference
        self._journal: Journal[StudyState, f.StudyFact] = Journal(
            study=start.study,
            owner=start.study,
            state=continued.state if continued else folds.start(start.protocol, started),
            apply=folds.apply,
            sequence=continued.sequence if continued else 0,
            revision=1,
        )
        self._log = workflow_log(start.study, start.study)
        self._in_batches = False
        self._news = News(together=lambda: workflow.patched(TOGETHER), in_batches=lambda: self._in_batches)
        self._stopping = StudyStopping(start.protocol.stopping, STUDY, self._journal, self._news)
        self._enrolling: set[str] = set()
        self._ready = continued is not None
        if continued is None:
            self._journal.begin(started)

    @property
    def _state(self) -> StudyState:
        return self._journal.state

    @workflow.run
    async def run(self, start: StartStudy, continued: m.StudyContinued | None = None) -> None:  # noqa: ARG002
        """Run for as long as the study does."""
        # Asked at once: asked when it first matters, it would stand elsewhere in a history than in its replay.
        self._in_batches = workflow.patched(IN_BATCHES)
        unawaited, noted = workflow.patched(UNAWAITED), workflow.patched(NOTED)
        self._journal.publish_as(journal.NOTED if noted else journal.UNAWAITED if unawaited else 1)
        if not self._ready:
            await self._register_protocol()
            for arm in self._protocol.arms:
                await self._start_arm(arm)
            self._ready = True
        while True:
            await self._journal.publish()
            await self._news.send()
            if workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new(start)
            await self._journal.pause(lambda: self._journal.unpublished or self._news.waiting)

    async def _register_protocol(self) -> None:
        await workflow.execute_activity(
            names.REGISTER_PROTOCOL,
            m.RegisterProtocol(protocol=self._protocol, reference=self._reference),
            **policies.TRANSACTION,
        )

    async def _start_arm(self, arm: Arm) -> None:
        await workflow.start_child_workflow(
            "ArmWorkflow",
            m.ArmStart(
                study=self._state.study,
                arm=arm,
                escalation=self._protocol.escalation,
                dlt=self._protocol.dlt,
                decision_task=self._protocol.tasks[TaskKind.COMMITTEE_DECISION.value],
                protocol=self._reference,
                revision=m.ARM_REVISION,
                planned_infusions=len(self._protocol.infusions.days),
                stopping=self._protocol.stopping,
                expansion=self._protocol.expansion,
                signatures=self._protocol.signatures,
            ),
            id=names.arm_id(self._state.study, arm.id),
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    async def _continue_as_new(self, start: StartStudy) -> None:
        await close_books(self._journal, self._news)
        continued = m.StudyContinued(protocol=self._protocol, state=self._state, sequence=self._journal.sequence)
        workflow.continue_as_new(args=[start, continued])

    # ------------------------------------------------------------------ participants

    @workflow.update
    async def enroll(self, command: Enroll) -> Accepted:
        """Enrol a participant: the one place where a subject id is taken, so that it is taken once."""
        await workflow.wait_condition(lambda: self._ready)
        problem = self._enrolment_problem(command)
        if problem is not None:
            raise self._journal.refuse(command.envelope, "enroll", problem)
        self._enrolling.add(command.subject)
        try:
            await self._start_participant(command)
        except WorkflowAlreadyStartedError:
            raise self._journal.refuse(command.envelope, "enroll", self._taken(command.subject)) from None
        finally:
            self._enrolling.discard(command.subject)
        for scope in self._state.holds:
            # A hold that came while the participant's workflow was being started has not reached it.
            change = m.HoldChange(scope=scope, held=True, who="system", why=f"{scope} is held")
            if scope == STUDY:
                self._news.add(names.participant_id(self._state.study, command.subject), "change_hold", change)
        return self._journal.record(
            f.SubjectEnrolled(subject=command.subject, **person(command.envelope, "informed consent signed"))
        )

    @enroll.validator
    def _check_enroll(self, command: Enroll) -> None:
        now = workflow.now()
        problem = checks.future_time("envelope.time", command.envelope.time, now) or checks.future_day(
            "consent_signed_on", command.consent_signed_on, now
        )
        if problem is not None:
            raise problem_error(problem)

    def _enrolment_problem(self, command: Enroll) -> Problem | None:
        role = command.envelope.role
        if role not in (Role.COORDINATOR, Role.INVESTIGATOR, Role.OPERATIONS):
            return checks.wrong_role("envelope.role", role, Role.COORDINATOR)
        problem = checks.wrong_site(command.subject, command.envelope)
        if problem is not None:
            return problem
        taken = {*self._state.active, *self._state.ended, *self._enrolling}
        if command.subject in taken:
            return self._taken(command.subject)
        if STUDY in self._state.holds:
            return Problem(
                type=ProblemType.ON_HOLD,
                field="study",
                value=self._state.study,
                rule="the study is held: no participant is enrolled",
                expected="the hold to be lifted first",
            )
        return None

    def _taken(self, subject: str) -> Problem:
        return Problem(
            type=ProblemType.SUBJECT_ALREADY_ENROLLED,
            field="subject",
            value=subject,
            rule=f"is enrolled already in {self._state.study}",
            expected="a subject id that was never used",
        )

    async def _start_participant(self, command: Enroll) -> None:
        await workflow.start_child_workflow(
            "ParticipantWorkflow",
            m.ParticipantStart(
                study=self._state.study,
                protocol=self._reference,
                enrolment=command,
                revision=m.PARTICIPANT_REVISION,
            ),
            id=names.participant_id(self._state.study, command.subject),
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    # ------------------------------------------------------------------ holds

    @workflow.update
    async def hold(self, command: Hold) -> Accepted:
        """Hold an arm or the whole study."""
        return await self._change_hold(command, held=True)

    @hold.validator
    def _check_hold(self, command: Hold) -> None:
        self._check_scope(command.envelope, command.arm)

    @workflow.update
    async def lift_hold(self, command: LiftHold) -> Accepted:
        """Lift a hold."""
        scope = command.arm or STUDY
        if scope not in self._state.holds:
            problem = Problem(
                type=ProblemType.NOTHING_TO_LIFT,
                field="arm",
                value=scope,
                rule="is not held",
                expected=" or ".join(self._state.holds) or "no hold is in force",
            )
            raise self._journal.refuse(command.envelope, "lift_hold", problem)
        return await self._change_hold(command, held=False)

    @lift_hold.validator
    def _check_lift(self, command: LiftHold) -> None:
        self._check_scope(command.envelope, command.arm)
        rules = self._protocol.signatures
        problem = None if rules is None else unknown_meaning(rules.lift_hold_meanings, command.envelope)
        if problem is not None:
            raise problem_error(problem)

    def _unsigned(self, envelope: Envelope, scope: str) -> Problem | None:
        record = self._state.hold_records.get(scope)
        if self._protocol.signatures is None or record is None:
            return None
        delegated = [person for person, roles in self._state.delegations.items() if envelope.role in roles]
        return unsigned(envelope, delegated, hold_sha256(record), f"the hold on {scope}")

    def _check_scope(self, envelope: Envelope, arm: str | None) -> None:
        problem = checks.future_time("envelope.time", envelope.time, workflow.now()) or checks.missing_reason(envelope)
        if problem is None and arm is not None and arm not in self._state.arms:
            problem = Problem(
                type=ProblemType.UNKNOWN_ARM,
                field="arm",
                value=arm,
                rule="is not an arm of this study",
                expected=" or ".join(self._state.arms),
            )
        if problem is not None:
            raise problem_error(problem)

    async def _change_hold(self, command: Hold | LiftHold, *, held: bool) -> Accepted:
        await workflow.wait_condition(lambda: self._ready)
        envelope, scope = command.envelope, command.arm or STUDY
        problem = self._hold_problem(envelope) or (None if held else self._unsigned(envelope, scope))
        if problem is not None:
            raise self._journal.refuse(envelope, "hold" if held else "lift_hold", problem)
        if held:
            accepted = self._journal.record(f.HoldPlaced(scope=scope, **person(envelope, "hold")))
        else:
            signature = None if self._protocol.signatures is None else envelope.signature
            accepted = self._journal.record(f.HoldLifted(scope=scope, signature=signature, **person(envelope, "hold")))
        change = m.HoldChange(
            scope=scope,
            held=held,
            who=envelope.person,
            why=envelope.reason or "",
            fired=None if held else self._stopping.known_findings(command.arm),
        )
        for arm in [command.arm] if command.arm else list(self._state.arms):
            self._news.add(names.arm_id(self._state.study, arm), "change_hold", change)
        if command.arm is None:
            for subject in self._state.active:
                self._news.add(names.participant_id(self._state.study, subject), "change_hold", change)
        return accepted

    def _hold_problem(self, envelope: Envelope) -> Problem | None:
        if envelope.role in (Role.OPERATIONS, Role.COMMITTEE):
            return None
        return checks.wrong_role("envelope.role", envelope.role, Role.OPERATIONS)

    # ------------------------------------------------------------------ delegation

    @workflow.update
    async def change_delegation(self, command: ChangeDelegation) -> Accepted:
        """Delegate a role to a person, or take it back; the arms learn who may sign for the committee."""
        await workflow.wait_condition(lambda: self._ready)
        envelope = command.envelope
        problem = checks.wrong_role("envelope.role", envelope.role, Role.OPERATIONS)
        if problem is not None:
            raise self._journal.refuse(envelope, "change_delegation", problem)
        accepted = self._journal.record(
            f.DelegationChanged(
                person=command.person,
                delegated_role=command.role,
                delegated=command.delegated,
                **person(envelope, "delegation"),
            )
        )
        change = m.DelegationChange(
            person=command.person,
            role=command.role,
            delegated=command.delegated,
            who=envelope.person,
            why=envelope.reason or "",
        )
        for arm in self._state.arms:
            self._news.add(names.arm_id(self._state.study, arm), "change_delegation", change)
        return accepted

    @change_delegation.validator
    def _check_delegation(self, command: ChangeDelegation) -> None:
        envelope = command.envelope
        problem = checks.future_time("envelope.time", envelope.time, workflow.now()) or checks.missing_reason(envelope)
        if problem is not None:
            raise problem_error(problem)

    # ------------------------------------------------------------------ news

    @workflow.signal
    def report_subject_done(self, done: m.SubjectDone) -> None:
        """A participant reached a final state."""
        self._journal.record(f.SubjectEnded(subject=done.subject, disposition=done.disposition, **system(done.reason)))

    @workflow.signal
    def report_arm_news(self, news: m.ArmDecisionReport) -> None:
        """The committee decided on an arm."""
        self._journal.record(
            f.ArmDecided(
                arm=news.arm,
                cohort=news.cohort,
                action=news.action,
                level=news.level,
                rp2d_level=news.rp2d_level,
                phase=news.phase,
                **system(f"{news.who}: {news.why}"),
            )
        )

    @workflow.signal
    def report_safety(self, report: m.SafetyReport) -> None:
        """What is known of a participant whom a stopping rule may count."""
        self._stopping.told(report)

    @workflow.signal
    def report_stopping(self, news: m.StoppingReport) -> None:
        """A stopping rule of an arm fired, and the arm holds already."""
        self._stopping.fired_in_arm(news)

    @workflow.signal
    def report_expansion_news(self, news: m.ExpansionReport) -> None:
        """The two-stage rule came to something for a target of an arm."""
        why = system(f"{target_key(news.verdict.target)}: {news.verdict.why}")
        self._journal.record(f.ExpansionJudged(verdict=news.verdict, decided=news.decided, arm=news.arm, **why))
        if news.closed:
            why = system("every target of the expansion is decided")
            self._journal.record(f.ArmClosed(rp2d_level=news.rp2d_level, arm=news.arm, **why))

    @workflow.signal
    async def publish_again(self, slow: m.SlowPublication) -> None:
        """The database was slow: a publication is made by an activity, as late as it may be."""
        await self._journal.publish_again(slow)

    def hand_to(self, take: Take) -> None:
        """Hand on what is noted in the history (see feed)."""
        self._journal.hand_to(take)

    @workflow.query
    def state(self) -> StudyState:
        """Return the study's state."""
        return self._state

    @workflow.query
    def protocol(self) -> Protocol:
        """Return the protocol that the study runs under."""
        return self._protocol


__all__ = ["STUDY", "StudyWorkflow"]
