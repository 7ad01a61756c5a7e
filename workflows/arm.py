"""One arm's 3+3 escalation: slots, outcomes, the committee's decision (architecture, 'How data flows')."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from decisions.commands import checks as checks
    from decisions.dose.escalation import closes_arm, next_subject
    from decisions.phase_two.places import subjects_with_place
    from decisions.schedule.tasks import next_deadline, passed_deadlines
    from decisions.state import arm as folds
    from schemas import facts as f
    from schemas import messages as m
    from schemas import names
    from schemas.base import Role
    from schemas.commands.commands import Accepted, Decide, DecisionAction
    from schemas.dose.packet import PacketWithHash
    from schemas.schedule.task import TaskEnd
    from schemas.state.arm import ArmState, ArmStatus
    from schemas.state.participant import Slot
    from workflows.arm_expansion import ArmExpansion, left_hold
    from workflows.arm_stopping import ArmStopping
    from workflows.committee import Committee
    from workflows.feed import Take
    from workflows.journal import Journal, hold_fact, person, problem_error, system
    from workflows.logs import workflow_log
    from workflows.moments import now
    from workflows.outbound import News, close_books

TOGETHER = 2
"""The first revision that signals to many at once (schemas.messages)."""
IN_BATCHES = 3
"""The first revision whose later signals wait until their facts are published."""


@workflow.defn(name="ArmWorkflow")
class ArmWorkflow:
    """Gives out slots at the open dose level, collects outcomes, asks the committee; one run per cohort."""

    @workflow.init
    def __init__(self, start: m.ArmStart) -> None:
        """Take the whole state, so that a signal that arrives before `run` finds it."""
        self._start = start
        opened = f.ArmOpened(level=start.arm.start_level, **system("the protocol's starting dose level"))
        self._journal: Journal[ArmState, f.ArmFact] = Journal(
            study=start.study,
            owner=start.arm.id,
            state=start.state or folds.open_arm(start.study, start.arm, opened),
            apply=folds.apply_arm,
            sequence=start.sequence,
            revision=start.revision,
        )
        self._log = workflow_log(start.study, start.arm.id)
        self._news = News(together=lambda: start.revision >= TOGETHER, in_batches=lambda: start.revision >= IN_BATCHES)
        self._committee = Committee(start, self._journal, self._news)
        self._stopping = ArmStopping(start, self._journal, self._news, self._subjects_on_study)
        self._expansion = ArmExpansion(start, self._journal, self._news)
        if start.state is None:
            self._journal.begin(opened)

    @property
    def _state(self) -> ArmState:
        return self._journal.state

    @workflow.run
    async def run(self, start: m.ArmStart) -> None:  # noqa: ARG002 - taken in __init__
        """Serve one cohort up to its decision; then continue as new. A closed arm still answers and still counts."""
        while True:
            for fact in passed_deadlines(self._state.tasks.values(), now()):
                self._journal.record(fact)
            self._give_slots()
            self._expansion.serve()
            self._committee.ask_if_due()
            wake = next_deadline(self._state.tasks.values())
            await self._journal.publish(wake)
            await self._news.send()
            if self._cohort_is_decided() or self._run_is_long():
                await self._continue_as_new()
            await self._pause(wake)

    def _give_slots(self) -> None:
        while (subject := next_subject(self._start.escalation, self._state)) is not None:
            state = self._state
            level = self._start.arm.dose_levels[state.level - 1]
            slot = Slot(
                arm=state.arm,
                cohort=state.cohort,
                level=level.level,
                million_cells=level.million_cells,
                first_of_cohort=self._start.escalation.stagger_days > 0 and not state.stagger_cleared,
                not_before=state.latest_on,
            )
            why = f"cohort {state.cohort}, dose level {level.level}: {level.million_cells:g} million cells"
            self._journal.record(f.SlotGiven(subject=subject, slot=slot, **system(why)))
            self._tell_participant(subject, "grant_slot", m.SlotGrant(slot=slot, why=why))

    def _cohort_is_decided(self) -> bool:
        earlier = self._start.state.decisions if self._start.state else ()
        return len(self._state.decisions) > len(earlier)

    def _run_is_long(self) -> bool:
        # No decision of the committee divides Phase 2 into runs, and many severe events make a cohort's run long.
        return self._start.revision >= TOGETHER and workflow.info().is_continue_as_new_suggested()

    async def _continue_as_new(self) -> None:
        await close_books(self._journal, self._news)
        workflow.continue_as_new(
            self._start.model_copy(update={"state": self._state, "sequence": self._journal.sequence})
        )

    async def _pause(self, wake: datetime | None) -> None:
        def stirred() -> bool:
            return self._journal.unpublished or self._news.waiting

        timeout = None if wake is None else max(0.001, (wake - workflow.now()).total_seconds() + 0.001)
        await self._journal.pause(stirred, timeout)

    # ------------------------------------------------------------------ news to others

    def _tell_participant(self, subject: str, signal: str, message: object) -> None:
        self._news.add(names.participant_id(self._state.study, subject), signal, message)

    def _refuse_waiting(self, why: str) -> None:
        for subject in self._state.queue:
            self._tell_participant(subject, "refuse_slot", m.ArmRefusal(arm=self._state.arm, why=why))
            if self._state.arm in self._state.holds and self._start.revision >= TOGETHER:
                self._tell_participant(subject, "change_hold", left_hold(self._state.arm))

    def _subjects_on_study(self) -> list[str]:
        with_slot = [record.subject for record in self._state.slots]
        everybody = [*self._state.queue, *with_slot, *subjects_with_place(self._state)]
        return everybody if self._start.revision < TOGETHER else list(dict.fromkeys(everybody))

    # ------------------------------------------------------------------ what participants report

    @workflow.signal
    def request_slot(self, request: m.SlotRequest) -> None:
        """A participant waits for a slot; a closed arm refuses at once."""
        if self._state.status is ArmStatus.CLOSED:
            why = "the arm is closed in Phase 1"
            self._tell_participant(request.subject, "refuse_slot", m.ArmRefusal(arm=self._state.arm, why=why))
            return
        if self._expansion.refuse_if_closed(request.subject, request.target):
            return
        asked = f.SlotRequested(subject=request.subject, target=request.target, **system("assigned to this arm"))
        self._journal.record(asked)
        # The study tells its participants of its own holds; passed on from here, one could arrive after its end.
        if self._state.arm in self._state.holds:
            held = m.HoldChange(scope=self._state.arm, held=True, who="system", why=f"{self._state.arm} is held")
            self._tell_participant(request.subject, "change_hold", held)

    @workflow.signal
    def take_slot_back(self, back: m.SlotBack) -> None:
        """A participant leaves before dosing."""
        self._journal.record(f.SlotGivenBack(subject=back.subject, occurred_on=back.occurred_on, **system(back.why)))

    @workflow.signal
    def report_first_dose(self, dose: m.FirstDose) -> None:
        """A participant of the cohort was dosed."""
        self._journal.record(
            f.FirstDoseReported(subject=dose.subject, infused_on=dose.infused_on, **system("first infusion"))
        )
        self._stopping.judge()

    @workflow.signal
    def clear_stagger(self, done: m.StaggerDone) -> None:
        """The cohort's first participant was observed long enough."""
        why = f"first participant of the cohort observed until {done.observed_until}"
        self._journal.record(f.StaggerCleared(subject=done.subject, occurred_on=done.observed_until, **system(why)))

    @workflow.signal
    def report_outcome(self, outcome: m.Outcome) -> None:
        """A participant's DLT outcome, with what is known of the participant's safety."""
        before = self._state
        if outcome.summary is not None:
            self._committee.told(outcome.summary, outcome.why)
        self._journal.record(
            f.OutcomeReported(
                subject=outcome.subject, status=outcome.status, occurred_on=outcome.occurred_on, **system(outcome.why)
            )
        )
        self._committee.reopen(before)
        if outcome.summary is not None:
            report = m.SafetyReport(
                subject=outcome.subject,
                arm=self._state.arm,
                occurred_on=outcome.occurred_on,
                summary=outcome.summary,
                why=outcome.why,
            )
            self._safety_told(report)

    @workflow.signal
    def report_safety(self, report: m.SafetyReport) -> None:
        """What is known of a participant's safety."""
        before = self._state
        self._committee.told(report.summary, report.why)
        self._committee.reopen(before)
        self._safety_told(report)

    def _safety_told(self, report: m.SafetyReport) -> None:  # noqa: ARG002 - the fold has it already
        """Act on what is known now of a participant's safety: it is recorded already."""
        self._stopping.judge()

    @workflow.signal
    def report_response(self, report: m.ResponseReport) -> None:
        """A participant's response in Phase 2."""
        self._expansion.respond(report)

    @workflow.signal
    def change_delegation(self, change: m.DelegationChange) -> None:
        """The study delegated a role, or took it back: who may sign is the arm's to know."""
        self._journal.record(
            f.DelegationChanged(
                person=change.person,
                delegated_role=change.role,
                delegated=change.delegated,
                **system(f"{change.who}: {change.why}"),
            )
        )

    @workflow.signal
    def change_hold(self, change: m.HoldChange) -> None:
        """A hold on this arm was placed or lifted: no slot is given meanwhile, and its participants are told."""
        if self._stopping.keeps_hold(change):
            return
        self._journal.record(hold_fact(change))
        if change.scope == self._state.arm:
            for subject in self._subjects_on_study():
                self._tell_participant(subject, "change_hold", change)

    @workflow.signal
    async def publish_again(self, slow: m.SlowPublication) -> None:
        """The database was slow: a publication is made by an activity, as late as it may be."""
        await self._journal.publish_again(slow)

    # ------------------------------------------------------------------ the committee

    @workflow.update
    async def decide(self, command: Decide) -> Accepted:
        """Take the safety review committee's decision, checked against the rule."""
        envelope = command.envelope
        problem = (
            checks.wrong_role("envelope.role", envelope.role, Role.COMMITTEE)
            or self._committee.unsigned(envelope)
            or self._committee.forbidden(command)
        )
        if problem is not None:
            raise self._journal.refuse(envelope, "decide", problem)
        state = self._state
        recommended, level = self._committee.outcome_of(command)
        accepted = self._journal.record(
            f.Decided(
                cohort=state.cohort,
                from_level=state.level,
                action=command.action,
                level=level,
                recommended=recommended,
                signature=self._committee.signature(envelope),
                **person(envelope, "as the rule recommends"),
            )
        )
        if state.review_due:
            self._committee.reviewed(envelope)
        for task in list(state.tasks.values()):
            self._journal.record(f.TaskClosed(task_id=task.id, end=TaskEnd.ANSWERED, **person(envelope, "decided")))
        self._close_if_final(command.action, level)
        rp2d = level if command.action is DecisionAction.DECLARE_RP2D else None
        news = m.ArmDecisionReport(
            arm=state.arm,
            cohort=state.cohort,
            action=command.action,
            level=level,
            rp2d_level=rp2d,
            who=envelope.person,
            why=envelope.reason or "as the rule recommends",
            phase=2 if self._expansion.follows(command.action) else 1,
        )
        # A review that lets the arm go on leaves what the study knows of it as it is.
        if not (state.review_due and command.action is DecisionAction.STAY):
            self._news.add(names.study_id(state.study), "report_arm_news", news)
        self._log.info("decided", action=command.action.value, level=level, cohort=state.cohort)
        return accepted

    @decide.validator
    def _check_decide(self, command: Decide) -> None:
        problem = checks.future_time(
            "envelope.time", command.envelope.time, workflow.now()
        ) or self._committee.unknown_meaning(command.envelope)
        if problem is not None:
            raise problem_error(problem)

    def _close_if_final(self, action: DecisionAction, level: int | None) -> None:
        if not closes_arm(action):
            return
        if level is not None and self._expansion.follows(action):
            self._expansion.open(level)
            return
        rp2d = level if action is DecisionAction.DECLARE_RP2D else None
        why = f"RP2D declared at dose level {rp2d}" if rp2d else "stopped by the committee"
        self._refuse_waiting(why)
        self._journal.record(f.ArmClosed(rp2d_level=rp2d, **system(why)))

    def hand_to(self, take: Take) -> None:
        """Hand on what is noted in the history (see feed)."""
        self._journal.hand_to(take)

    @workflow.query
    def state(self) -> ArmState:
        """Return the arm's state."""
        return self._state

    @workflow.query
    def packet(self) -> PacketWithHash:
        """Return what the committee reads before it decides, and the hash that it signs."""
        return self._committee.packet()
